export { makeTrainStep, type TrainStep, type StepInputs, type StepOutputs } from './step';
export { globalNorm } from './update';
export { Stepper, type StepperSettings } from './stepper';
export { Shares, shareOut } from '../distributed/shares';
export { workersOf, type Workers } from '../distributed/workers';
export { ParameterGroups, type ParameterGroupSettings } from './parameter-groups';
export {
  BatchLoader,
  checkSource,
  meansVariant,
  uploadBatch,
  type LoadedBatch,
  type LoaderOptions,
} from '../data/loader';
export { watchCalls } from './pending';
export {
  ItemReader,
  watchedItems,
  type DataEnd,
  type ItemBatch,
  type ItemSettings,
  type ItemSource,
  type Share,
} from '../data/items';
export { ThreadedDataset } from '../data/threads/dataset';
export { TrainingLoop } from './loop';
export { availableMemory, formatMemory } from './memory';
export type { TrainingParts, TrainingResult, TrainingSettings, TrainingStart } from './loop-types';
export { TrainingError } from './errors';
export { type NamedEvaluator } from '../evaluation/evaluations';
export { findSnapshot, readParameters, readOptimizerState, writeSnapshot } from '../run/snapshots';
export type { TrainerState } from '../run/trainer-state';
export { Trackers } from './trackers';
export { formatDuration } from './progress';
