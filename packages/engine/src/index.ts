export {
  CheckpointError,
  ConfigError,
  cutText,
  DataError,
  EngineError,
  formatSize,
  GraftError,
  hasMessage,
  isObject,
  listed,
  listedProblems,
  messageOf,
  PluginError,
  shortened,
  shownJson,
  UsageError,
  WorkersError,
  type GraftErrorOptions,
} from '@graft/errors';
export * from './types';
export { tf } from './tf';
export { openEngine, doctor } from './open';
export {
  cacheFolder,
  codeFolder,
  findNativeLibrary,
  installNativeLibrary,
  unsupportedPlatformReason,
  RELEASE,
  type NativeLibrary,
  type InstallOptions,
  type InstallProgress,
  type DoctorCheck,
  type DoctorOptions,
  type DoctorReport,
} from './setup';
export * from './collectives';
export { withPrecision, currentPrecision } from './precision';
export { packBfloat16, unpackBfloat16 } from './bfloat16';
export { readPieces, tensorOfPieces, type PiecewiseTensor } from './pieces';
export { random, type RandomKey } from './random';
export { innerGradients, orderAfter, recomputed, valueAndGradients, withGradient, withoutGradient } from './autodiff';
export type { OperationProfile } from './jit/profile';
export { treeLeaves, treeMap } from './jit/tree';
export { SLOT_MULTIPLE, prefersTransposedKeys } from './kernels/few-queries';
export { isProcess } from '@graft/files';
export { onThreadEnd } from './threads';
export { elementCount } from './shape';
export * from '@graft/files';
