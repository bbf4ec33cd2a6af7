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
export * from './random';
export { NormalPool } from './normal-pool';
export * from './tokens';
export * from './logger';
export * from './plugin';
export * from './registry';
export * from './components';
export * from './batch';
export * from './special-tokens';
export * from './suggest';
export { fieldProblem } from './field-problem';
export { matchesName } from './match-name';
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
