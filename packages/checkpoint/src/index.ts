export * from './dtypes';
export { MAX_HEADER_BYTES, type TensorInfo } from './header';
export { SafetensorsReader } from './reader';
export { writeSafetensors, writeSafetensorsInto, sourceBytes, type TensorSource } from './writer';
export {
  CheckpointReader,
  writeCheckpoint,
  writeCheckpointInto,
  readJsonObject,
  writeJson,
  type CheckpointContents,
} from './folder';
export { readHostTensors, writeHostTensors, type HostTensor } from './host';
export * from './snapshot';
export { TEMPORARY_PREFIX, writeFileAtomically, writeFolderAtomically } from './atomic';
export { CheckpointError } from '@graft/engine';
