import { definePlugin } from '@graft/core';
import { preferenceEvaluator } from './evaluators/preference-evaluator';
import { dpo } from './objectives/dpo';

/** Preference tuning and on-policy distillation. */
export const plugin = definePlugin({
  name: '@graft/tuning',
  components: [dpo, preferenceEvaluator],
});
