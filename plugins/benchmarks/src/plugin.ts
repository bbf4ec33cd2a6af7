import { definePlugin } from '@graft/core';

/** The benchmarks, and evaluators of generation, latency and cost. */
export const plugin = definePlugin({
  name: '@graft/benchmarks',
  components: [],
});
