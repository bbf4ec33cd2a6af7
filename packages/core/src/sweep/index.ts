export { TRAINING_NUMBERS } from './check-metrics';
export { settingText, shortKeys } from './labels';
export { checkLatencies, type LatencyOptions } from './check-latencies';
export { sweepJsonSchema } from './json-schema';
export { measureLatency, type LatencyRequest } from './latency';
export type { MatchedCosts } from './match';
export { type Setting, type SweepPoint } from './points';
export type { EvaluationTrial, TrainingTrial, Trial, TrialFacts } from './trial';
export { loadSweep, type LoadSweepOptions, type Sweep } from './trials';
export {
  runTrials,
  type RunTrialsOptions,
  type StartTrial,
  type TrialEnd,
  type TrialEvent,
  type TrialsEnd,
  type TrialShare,
  type TrialStart,
} from './run-trials';
export { summarize, type Better, type PointSummary, type SummaryRequest, type TrialNumbers } from './summary';
