export * from './dtypes';
export { MAX_HEADER_BYTES, sourceBytes, type TensorInfo, type TensorSpec } from './header';
export { FileRange } from './direct';
export { SafetensorsReader, type ByteRange } from './reader';
export {
  writeSafetensors,
  writeSafetensorsWith,
  type SafetensorsOptions,
  type SafetensorsWriter,
  type TensorData,
  type TensorSource,
} from './writer';
export { CheckpointReader, CONFIG_FILE, GENERATION_CONFIG_FILE, isPlainFileName } from './folder';
export { writeCheckpoint, type CheckpointContents } from './write-folder';
export { unfinishedFolder, writeCheckpointResumably, type ResumableOptions } from './resumable';
export { readJsonObject } from './json';
export { readJsonFile, readTextFile } from './read-file';
export { DEEPEST_JSON, ExactNumber, JsonProblem, parseJson, type JsonOptions } from './parse-json';
export { decodeUtf8, describeInvalidUtf8, escapedUnit, invalidUtf8At, loneSurrogate } from './unicode';
export { FolderLock, hasLock, isPassing, LOCK_PREFIX, type LockOptions } from './lock';
export { livenessOf, ownIdentity, type Liveness, type ProcessIdentity } from './identity';
export { readRecord, recordFile, type CheckpointRecord } from './record';
export { RECORD_FILE, TOKENIZER_FILES } from './names';
export { readHostTensors, writeHostTensors, type HostTensor } from './host';
export { outputFile, outputTensors, writtenBy, type OutputOptions } from './output';
export { listSnapshots, stepOf } from './list-snapshots';
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
} from './snapshot';
export {
  damaged as damagedSnapshot,
  STATE_FILE as TRAINER_STATE_FILE,
  withoutDigests,
  type Manifest,
} from './manifest';
export { averageCheckpoints, readTokenizerFiles } from './average';
export { verifyCheckpoint, type VerifyReport } from './verify';
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
} from './atomic';
export { CheckpointError } from '@graft/engine';
