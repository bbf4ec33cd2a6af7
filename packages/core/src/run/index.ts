export { RunFolder, type RunRecord, type RunStatus, type EvaluationRecord } from './folder';
export { listRuns, readRunRecord, type ListedRun } from './record';
export { runExperiment, type RunOptions, type RunResult } from './experiment';
export type { WorkerOptions } from '../distributed/group';
export { runEvaluation, type EvaluationRunOptions, type EvaluationRunResult } from '../evaluation/run-evaluation';
export { fillParameters, countParameters } from './parameters';
export { withInterrupt } from './interrupt';
export { MetricsFile } from './metrics';
export { findRecord } from './tokenizer-files';
