export { RunFolder, type RunRecord, type RunStatus } from './folder';
export { listRuns, readRunRecord, type ListedRun } from './record';
export { runExperiment, type RunOptions, type RunResult } from './experiment';
export { runEvaluation, type EvaluationRunOptions, type EvaluationRunResult } from './run-evaluation';
export { fillParameters, countParameters } from './parameters';
export { withInterrupt } from './interrupt';
export { MetricsFile } from './metrics';
export { findSnapshot, readParameters, readOptimizerState, writeSnapshot } from './snapshots';
export { findRecord } from './tokenizer-files';
