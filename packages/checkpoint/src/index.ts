export * from './safetensors/dtypes';
export { MAX_HEADER_BYTES, sourceBytes, type TensorInfo, type TensorSpec } from './safetensors/header';
export { FileRange } from './safetensors/direct';
export { SafetensorsReader, type ByteRange } from './safetensors/reader';
export {
  writeSafetensors,
  writeSafetensorsWith,
  type SafetensorsOptions,
  type SafetensorsWriter,
  type TensorData,
  type TensorSource,
} from './safetensors/writer';
export { CheckpointReader, CONFIG_FILE, GENERATION_CONFIG_FILE, isPlainFileName } from './folder/checkpoint-reader';
export { writeCheckpoint, type CheckpointContents } from './folder/write-folder';
export { unfinishedFolder, writeCheckpointResumably, type ResumableOptions } from './folder/resumable';
export { readJsonObject } from './json/json';
export { readJsonFile, readTextFile } from './json/read-file';
export { DEEPEST_JSON, ExactNumber, JsonProblem, parseJson, type JsonOptions } from './json/parse-json';
export { decodeUtf8, describeInvalidUtf8, escapedUnit, invalidUtf8At, loneSurrogate } from './json/unicode';
export { FolderLock, hasLock, isPassing, LOCK_PREFIX, type LockOptions } from './files/lock';
export { livenessOf, ownIdentity, type Liveness, type ProcessIdentity } from './files/identity';
export { readRecord, recordFile, type CheckpointRecord } from './folder/record';
export { RECORD_FILE, TOKENIZER_FILES } from './folder/names';
export { readHostTensors, writeHostTensors, type HostTensor } from './safetensors/host';
export { outputFile, outputTensors, writtenBy, type OutputOptions } from './folder/output';
export { listSnapshots, stepOf } from './snapshot/list-snapshots';
export {
  checkSnapshot,
  loadSnapshotState,
  openSnapshotOptimizer,
  pruneSnapshots,
  saveSnapshot,
  averageFolder,
  snapshotFolder,
  verifySnapshot,
  type Snapshot,
} from './snapshot/snapshot';
export {
  damaged as damagedSnapshot,
  STATE_FILE as TRAINER_STATE_FILE,
  withoutDigests,
  type Manifest,
} from './snapshot/manifest';
export { averageCheckpoints, readTokenizerFiles } from './folder/average';
export { verifyCheckpoint, type VerifyReport } from './folder/verify';
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
} from './files/atomic';
export { CheckpointError } from '@graft/errors';
