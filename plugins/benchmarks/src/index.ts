export { CostEvaluator, costOptions, type CostOptions, type ResolvedCostOptions } from './evaluators/cost';
export {
  GenerateEvaluator,
  generateOptions,
  type GenerateEvaluatorOptions,
  type ResolvedGenerateEvaluatorOptions,
} from './evaluators/generate';
export {
  LatencyEvaluator,
  latencyOptions,
  type LatencyOptions,
  type ResolvedLatencyOptions,
} from './evaluators/latency';
export { equivalentMath } from './answers/math/equivalent';
export { answerScore, normalizeAnswer, type AnswerScore } from './metrics/answers';
export { bleu, sentenceBleu, type BleuOptions, type BleuScore } from './metrics/bleu';
export { BLEU_TOKENIZERS, type BleuTokenizer } from './metrics/bleu-tokenizers';
export { chrf, type ChrfOptions, type ChrfScore } from './metrics/chrf';
export { dropScore, normalizeSpan } from './metrics/drop-score';
export { rouge, ROUGE_TYPES, type RougeScore, type RougeType } from './metrics/rouge';
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
