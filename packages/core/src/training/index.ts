export { makeTrainStep, type TrainStep, type StepInputs, type StepOutputs } from './step';
export { BatchLoader, uploadBatch, type LoadedBatch } from './loader';
export { TrainingLoop, type TrainingParts, type TrainingResult, type TrainingSettings } from './loop';
export { Trackers } from './trackers';
export { formatDuration } from './progress';
