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
export { matchesName } from './match-name';
export { ExactNumber, JsonProblem, parseJson, type JsonOptions } from './json';
export { decodeUtf8, describeInvalidUtf8, escapedUnit, invalidUtf8At, loneSurrogate } from './unicode';
export * from './config';
export * from './run';
export * from './training';
