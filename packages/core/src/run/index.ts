export { RunFolder, type RunRecord, type RunStatus, type EvaluationRecord } from './folder';
export { runExperiment, fillParameters, countParameters, type RunOptions, type RunResult } from './experiment';
export { withInterrupt } from './interrupt';
export { MetricsFile } from './metrics';
