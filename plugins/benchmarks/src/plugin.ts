import { definePlugin } from '@graft/core';
import { benchmarks } from './evaluators/benchmarks';
import { cost } from './evaluators/cost';
import { generate } from './evaluators/generate';
import { latency } from './evaluators/latency';
import { TASKS } from './tasks';

/** The benchmarks, and evaluators of generation, latency and cost. */
export const plugin = definePlugin({
  name: '@graft/benchmarks',
  tasks: TASKS,
  components: [benchmarks, generate, latency, cost],
});
