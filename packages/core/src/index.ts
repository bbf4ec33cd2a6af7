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
  shortened,
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
export * from './components/plugin';
export * from './components/registry';
export * from './components/factory';
export * from './data/batch-checks';
export * from './data/special-tokens';
export * from './util/suggest';
export { fieldProblem } from './data/field-problem';
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
export * from './config';
export * from './run';
export * from './secrets';
export * from './training';
