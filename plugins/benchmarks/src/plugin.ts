import { definePlugin } from '@graft/core';
import { cost } from './evaluators/cost';
import { generate } from './evaluators/generate';
import { latency } from './evaluators/latency';

/** The benchmarks, and evaluators of generation, latency and cost. */
export const plugin = definePlugin({
  name: '@graft/benchmarks',
  components: [generate, latency, cost],
});
