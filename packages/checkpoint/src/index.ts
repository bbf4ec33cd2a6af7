export {
  configDtypeName,
  fromFloat32,
  fromFloat64,
  isFloatDtype,
  isStoredDtype,
  parseFloatDtype,
  STORED_DTYPES,
  storedWidth,
  toFloat32,
  toInt32,
  type StoredDtype,
} from './safetensors/dtypes';
export { type TensorInfo, type TensorSpec } from './safetensors/header';
export { SafetensorsReader, type ByteRange } from './safetensors/reader';
export {
  writeSafetensors,
  writeSafetensorsWith,
  type SafetensorsOptions,
  type SafetensorsWriter,
  type TensorData,
  type TensorSource,
} from './safetensors/writer';
export { checkpointPath, isGgufPath } from './source/checkpoint-path';
export { isModelPath } from './source/named-models';
export { importGguf, type ImportReport, type ImportRequest } from './gguf/import';
export { CheckpointReader, CONFIG_FILE, GENERATION_CONFIG_FILE } from './folder/checkpoint-reader';
export { writeCheckpoint, type AdapterContents, type CheckpointContents } from './folder/write-folder';
export {
  adapterConfigJson,
  readAdapterConfig,
  type AdapterConfig,
  type AdapterPurpose,
  type AdapterTask,
} from './adapter/adapter-config';
export { adapterParameter, AdapterReader, adapterTensors, PAIR_ENDS, type StoredPair } from './adapter/adapter-reader';
export {
  readRecord,
  ENCODER_TOKENIZER_SECTION,
  readTokenizerRecord,
  readTokenizerSections,
  recordFile,
  TOKENIZER_SECTION,
  type CheckpointRecord,
  type TokenizerRecord,
} from './folder/record';
export {
  ENCODER_TOKENIZER_FOLDER,
  encoderTokenizerFile,
  isTokenizerFileName,
  RECORD_FILE,
  TOKENIZER_FILES,
} from './folder/names';
export { readHostTensors, writeHostTensors, type HostTensor } from './safetensors/host';
export type { FileRange } from './safetensors/direct';
export type { ProcessIdentity } from './files/identity';
export type { FileRecord, Manifest, TensorDigests } from './snapshot/manifest';
export { listSnapshots, stepOf } from './snapshot/list-snapshots';
export { verifySnapshot } from './snapshot/snapshot';
export {
  averageCheckpoints,
  mergeCheckpoints,
  type MergeOptions,
  type MergeRequest,
} from './folder/merge/merge-checkpoints';
export {
  asEncoderTokenizer,
  readEncoderTokenizer,
  readTokenizerFiles,
  type KeptTokenizerFiles,
} from './folder/tokenizer-files';
export { verifyCheckpoint, type VerifyReport } from './folder/verify';
export { CheckpointError } from '@graft/errors';
