export * from './errors';
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
export { isProcess } from './process-id';
export { onThreadEnd } from './threads';
export { elementCount } from './shape';
export { isObject } from './objects';
export { hasMessage, messageOf } from './reason';
export { cutText, formatSize, listed, listedProblems, shortened, shownJson } from './text';
export * from './files';
