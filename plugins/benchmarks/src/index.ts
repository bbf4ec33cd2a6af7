export { plugin, plugin as default } from './plugin';
export {
  BenchmarksEvaluator,
  benchmarksOptions,
  type BenchmarksOptions,
  type ResolvedBenchmarksOptions,
} from './evaluators/benchmarks';
export { BenchmarkFiles, type BenchmarkSource, type ReadRows } from './data/benchmark-files';
export { pooled } from './data/pooled';
export { SUITES, suiteMeans } from './suites';
export { TASKS } from './tasks';
