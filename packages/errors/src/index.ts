export {
  CheckpointError,
  ConfigError,
  DataError,
  EngineError,
  GraftError,
  PluginError,
  UsageError,
  WorkersError,
  type GraftErrorOptions,
} from './errors';
export { isObject } from './objects';
export { hasMessage, messageOf } from './reason';
export { cutText, formatSize, listed, listedProblems, shortened, shownJson, withoutMiddle } from './text';
