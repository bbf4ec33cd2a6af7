import { definePlugin } from '@graft/core';
import { preferenceEvaluator } from './evaluators/preference-evaluator';
import { dpo } from './objectives/dpo';
import { onPolicyDistillation } from './objectives/on-policy-distillation';

/** Preference tuning and on-policy distillation. */
export const plugin = definePlugin({
  name: '@graft/tuning',
  components: [dpo, onPolicyDistillation, preferenceEvaluator],
});
