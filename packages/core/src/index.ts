import 'reflect-metadata';

export { inject, injectable } from 'tsyringe';
export {
  GraftError,
  EngineError,
  CheckpointError,
  DataError,
  PluginError,
  ConfigError,
  UsageError,
  cutText,
  isObject,
  listed,
  listedProblems,
  messageOf,
  shortened,
  shownJson,
  FileProblem,
  LARGEST_SETTINGS_BYTES,
  LARGEST_WHOLE_FILE_BYTES,
  openRegularFile,
  openRegularFileSync,
  readInput,
  readRegularFile,
  streamRegularFile,
  type GraftErrorOptions,
} from '@graft/engine';
export * from './interfaces';
export { freshHead, headLogits, HEAD_BIAS, HEAD_WEIGHT } from './loss/classification-head';
export {
  labelWeights,
  maskedCrossEntropy,
  weightedCrossEntropy,
  type CrossEntropyOptions,
  type CrossEntropySettings,
  type MaskedCrossEntropy,
} from './loss/cross-entropy';
export * from './random/streams';
export { NormalPool } from './random/normal-pool';
export * from './components/tokens';
export * from './util/logger';
export * from './components/context';
export * from './components/plugin';
export * from './components/registry';
export * from './components/factory';
export * from './data/batch-checks';
export * from './data/special-tokens';
export * from './util/suggest';
export { shiftRight } from './data/shift-right';
export { fieldProblem } from './data/field-problem';
export {
  ItemReader,
  watchedItems,
  type DataEnd,
  type ItemBatch,
  type ItemSettings,
  type ItemSource,
  type BatchSlice,
} from './data/items';
export {
  BatchLoader,
  checkSource,
  meansVariant,
  uploadBatch,
  type LoadedBatch,
  type LoaderOptions,
} from './data/loader';
export { ThreadedDataset } from './data/threads/dataset';
export type { WorkerOptions } from './distributed/group';
export { OptimizerShards, assignOwners } from './distributed/optimizer-shards';
export { workersOf, type Workers } from './distributed/workers';
export type { EvaluationRecord, NamedEvaluator } from './evaluation/evaluations';
export { watchCalls } from './util/pending';
export { TrainingError } from './util/training-error';
export { matchesName } from './util/match-name';
export {
  DEEPEST_JSON,
  decodeUtf8,
  describeInvalidUtf8,
  escapedUnit,
  ExactNumber,
  invalidUtf8At,
  JsonProblem,
  loneSurrogate,
  parseJson,
  readJsonFile,
  readTextFile,
  type JsonOptions,
} from '@graft/checkpoint';
export * from './models';
export * from './config';
export * from './run';
export * from './secrets';
export * from './training';
