export { cacheFolder } from './cache-folder';
export { isProcess } from './process-id';
export {
  findUntrusted,
  makePrivateFolder,
  mendingCommand,
  untrustedEntry,
  type TrustOptions,
  type Untrusted,
} from './ownership';
export { fileReason, FileProblem } from './problem';
export { readInput, type InputOptions } from './input';
export {
  checkRegularFile,
  LARGEST_SETTINGS_BYTES,
  LARGEST_WHOLE_FILE_BYTES,
  openRegularFile,
  openRegularFileSync,
  readRegularFile,
  streamRegularFile,
  type ReadOptions,
  type StreamOptions,
} from './regular-file';
