import { definePlugin } from '@graft/core';
import { causalLm } from './objectives/causal-lm';
import { lossEvaluator } from './evaluators/loss-evaluator';
import { mixture } from './objectives/mixture';
import { prefixLm } from './objectives/prefix-lm';
import { seq2seq } from './objectives/seq2seq';
import { ul2 } from './objectives/ul2';

/** The objectives, and the evaluator of the held-out loss. */
export const plugin = definePlugin({
  name: '@graft/objectives',
  components: [seq2seq, prefixLm, causalLm, ul2, mixture, lossEvaluator],
});
