export { RunFolder, type RunRecord, type RunStatus } from './folder';
export { listRuns, readRunRecord, type ListedRun } from './record';
export { findCheckpoints, findResumableRun, findRunFolder, type ResumeRequest, type RunCheckpoints } from './reader';
export { readMetrics, type MetricLines } from './metric-lines';
export { dryRun, type DryRun, type DryRunOptions } from './dry-run';
export type { FirstRowText } from './first-row';
export {
  findLearningRate,
  type LearningRateOptions,
  type LearningRatePoint,
  type LearningRateRange,
} from './learning-rate-range';
export { runExperiment, type RunOptions, type RunResult } from './experiment';
export { withTrainingSteps, type TrainingStepsOptions } from './training-steps';
export { evaluationBeside, runEvaluation, type EvaluationRunOptions, type EvaluationRunResult } from './run-evaluation';
export { fillParameters, countParameters } from './parameters';
export {
  loadFrozenCheckpoint,
  loadFrozenModel,
  loadInitialModel,
  type FrozenModel,
  type FrozenModelRequest,
} from './frozen-model';
export { withInterrupt } from './interrupt';
export { fallbackWarning } from './session';
export { MetricsFile } from './metrics';
export { findSnapshot, readParameters, readOptimizerState, writeSnapshot } from './snapshots';
export { findRecord, findTokenizerFolders } from './tokenizer-files';
export { configFacts } from './run-info';
export { configHash, findSameRun, runsByConfig, type FoundRun, type RunsByConfigOptions } from './same-run';
