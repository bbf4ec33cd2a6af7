export { type Setting, type SweepPoint } from './points';
export { loadSweep, settingText, shortKeys, type LoadSweepOptions, type Sweep, type Trial } from './trials';
export {
  runTrials,
  type RunTrialsOptions,
  type StartTrial,
  type TrialEnd,
  type TrialEvent,
  type TrialsEnd,
  type TrialShare,
} from './run-trials';
export { summarize, type Better, type PointSummary, type SummaryRequest, type TrialNumbers } from './summary';
