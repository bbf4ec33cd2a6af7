import { definePlugin } from '@graft/core';
import { adafactor } from './adafactor';
import { adamw } from './adamw';
import { lion } from './lion';
import { constant, cosine, inverseSquareRoot, linear } from './schedules';

/** The optimizers and schedules. */
export const plugin = definePlugin({
  name: '@graft/optimizers',
  components: [adamw, adafactor, lion, constant, cosine, inverseSquareRoot, linear],
});
