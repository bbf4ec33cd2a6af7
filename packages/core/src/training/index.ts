export { makeTrainStep, type TrainStep, type StepInputs, type StepOutputs } from './step';
export { globalNorm } from './update';
export { Stepper, type StepperSettings } from './stepper';
export { Shares, shareOut } from './shares';
export { workersOf, type Workers } from './workers';
export { ParameterGroups, type ParameterGroupSettings } from './parameter-groups';
export { BatchLoader, checkSource, uploadBatch, type LoadedBatch } from './loader';
export {
  TrainingLoop,
  type TrainingParts,
  type TrainingResult,
  type TrainingSettings,
  type TrainingStart,
} from './loop';
export { TrainingError } from './errors';
export { type NamedEvaluator } from './evaluations';
export { findSnapshot, readParameters, readOptimizerState, writeSnapshot, type TrainerState } from './snapshots';
export { Trackers } from './trackers';
export { formatDuration } from './progress';
