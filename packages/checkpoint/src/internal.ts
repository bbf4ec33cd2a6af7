/**
 * `@graft/checkpoint/internal`: what Graft's own packages share: JSON, locks, atomic files, and the snapshots of runs.
 * It changes without notice and is not for other plugins.
 */
export { MAX_HEADER_BYTES, sourceBytes } from './safetensors/header';
export { announceConversions } from './source/converted-gguf';
export { isModelName, MODEL_NAMES, MODEL_PREFIX, modelFolder, type ModelName } from './source/named-models';
export { privateCacheFolder } from './source/private-folder';
export { FileRange } from './safetensors/direct';
export { isPlainFileName } from './folder/checkpoint-reader';
export { ADAPTER_FOLDER, isAdapter, withoutTokenizerFolder } from './folder/names';
export { crc32, digestOf, formatDigest } from './safetensors/digest';
export { unfinishedFolder, writeCheckpointResumably, type ResumableOptions } from './folder/resumable';
export { readJsonObject } from './json/json';
export { readJsonFile, readTextFile } from './json/read-file';
export { DEEPEST_JSON, ExactNumber, JsonProblem, parseJson, type JsonOptions } from './json/parse-json';
export { decodeUtf8, describeInvalidUtf8, escapedUnit, invalidUtf8At, loneSurrogate } from './json/unicode';
export { FolderLock, hasLock, isPassing, LOCK_PREFIX, type LockOptions } from './files/lock';
export { livenessOf, ownIdentity, type Liveness, type ProcessIdentity } from './files/identity';
export { numbersOf, type TensorOf } from './folder/merge/together';
export { outputFile, outputTensors, writtenBy, type OutputOptions } from './folder/output';
export {
  checkSnapshot,
  loadSnapshotState,
  openSnapshotOptimizer,
  pruneSnapshots,
  saveSnapshot,
  averageFolder,
  snapshotFolder,
  type Snapshot,
} from './snapshot/snapshot';
export {
  damaged as damagedSnapshot,
  STATE_FILE as TRAINER_STATE_FILE,
  withoutDigests,
  type Manifest,
} from './snapshot/manifest';
export {
  isThere,
  makeFolder,
  makeOneFolder,
  removeAtomically,
  removeTemporaries,
  syncFolder,
  TEMPORARY_PREFIX,
  writeFileAtomically,
  writeFolderAtomically,
  writeFailure,
} from './files/atomic';
