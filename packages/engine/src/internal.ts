/**
 * `@graft/engine/internal`: what Graft's own packages share: files, texts, and the network of workers.
 * It changes without notice and is not for other plugins.
 */
export { codeFolder } from './setup';
export { checkNetwork, controlKey, freeAddresses, freePort, NETWORK_EXPOSURE, parseAddress } from './collectives';
export { readPieces, tensorOfPieces, type PiecewiseTensor } from './pieces';
export { installCpuPlugin } from './targets/pjrt';
export { onThreadEnd } from './threads';
export { elementCount } from './shape';
export {
  cutText,
  formatSize,
  hasMessage,
  isObject,
  listed,
  listedProblems,
  messageOf,
  shortened,
  shownJson,
} from '@graft/errors';
export {
  isProcess,
  findUntrusted,
  makePrivateFolder,
  mendingCommand,
  untrustedEntry,
  fileReason,
  FileProblem,
  readInput,
  checkRegularFile,
  LARGEST_SETTINGS_BYTES,
  LARGEST_WHOLE_FILE_BYTES,
  openRegularFile,
  openRegularFileSync,
  readRegularFile,
  streamRegularFile,
  type TrustOptions,
  type Untrusted,
  type InputOptions,
  type ReadOptions,
  type StreamOptions,
} from '@graft/files';
export { bytesField, integerField, textField, varint } from './native/protobuf';
