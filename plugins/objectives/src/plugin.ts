import { definePlugin } from '@graft/core';
import { causalLm } from './causal-lm';
import { lossEvaluator } from './loss-evaluator';
import { mixture } from './mixture';
import { prefixLm } from './prefix-lm';
import { seq2seq } from './seq2seq';
import { ul2 } from './ul2';

export const plugin = definePlugin({
  name: '@graft/objectives',
  components: [seq2seq, prefixLm, causalLm, ul2, mixture, lossEvaluator],
});
