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
} from '@graft/errors';
export type {
  CompilingExecutor,
  Engine,
  EngineDevice,
  EngineMemory,
  EngineMode,
  EngineOptions,
  EngineTarget,
  Executor,
  JitOptions,
  JitStatistics,
  Jitted,
  Precision,
  Tree,
} from './types';
export { tf } from './tf';
export { openEngine, doctor } from './open';
export {
  cacheFolder,
  findNativeLibrary,
  installNativeLibrary,
  unsupportedPlatformReason,
  RELEASE,
  type FindOptions,
  type LibraryFile,
  type NativeLibrary,
  type Platform,
  type Release,
  type InstallOptions,
  type InstallProgress,
  type DoctorCheck,
  type DoctorDevice,
  type DoctorOptions,
  type DoctorReport,
  type DoctorTarget,
  type MachineReport,
} from './setup';
export { installPlugin, type InstallableDevice } from './targets/pjrt';
export { type Collectives, type JoinOptions, type Message, type TensorSpec, type WorkerGroup } from './collectives';
export { withPrecision, currentPrecision } from './precision';
export { packBfloat16, packIntegers, stochasticBfloat16, unpackBfloat16, unpackIntegers } from './bfloat16';
export { random, type RandomKey } from './random';
export { innerGradients, orderAfter, recomputed, valueAndGradients, withGradient, withoutGradient } from './autodiff';
export type { RecomputedOptions } from './autodiff/rematerialization';
export type { OperationProfile } from './jit/profile';
export { treeLeaves, treeMap } from './jit/tree';
export { SLOT_MULTIPLE, fusesAttention, prefersTransposedKeys } from './trace/layout-hints';
export { fusedAttention, type FusedAttentionOptions } from './autodiff/attention';
export type { AttentionSizes } from './program/attention';
export { constrain } from './mesh/constrain';
export { constrainRows, withRowAxes } from './mesh/rows';
export type { Mesh, MeshAxes, ShardingSpec } from './mesh/types';
