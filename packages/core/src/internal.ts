/**
 * `@graft/core/internal`: what Graft's own packages share: the training loop, the loader, run folders, and readers of files.
 * It changes without notice and is not for other plugins.
 */
import 'reflect-metadata';

export { cutText, isObject, listed, listedProblems, messageOf, shortened, shownJson } from '@graft/errors';
export {
  FileProblem,
  LARGEST_SETTINGS_BYTES,
  LARGEST_WHOLE_FILE_BYTES,
  openRegularFile,
  openRegularFileSync,
  readInput,
  readRegularFile,
  streamRegularFile,
} from '@graft/files';
export { streamNamed, STREAMS } from './random/streams';
export { NormalPool } from './random/normal-pool';
export { discreetLogger } from './util/logger';
export { isPlugin } from './components/plugin';
export { callingDataset } from './components/dataset-calls';
export { Services } from './components/factory';
export { CONTRACT_HINT } from './data/batch-checks';
export {
  checkpointConfigOf,
  describeSpecialTokens,
  EARLIER_POLICY,
  mergeSpecialTokens,
  readSpecialTokens,
  SPECIAL_TOKENS_KEY,
  storedSpecialTokens,
} from './data/special-tokens';
export {
  ItemReader,
  type DataEnd,
  type ItemBatch,
  type ItemSettings,
  type ItemSource,
  type BatchSlice,
} from './data/items';
export { BatchLoader, type LoadedBatch, type LoaderOptions } from './data/loader';
export { ThreadedDataset } from './data/threads/dataset';
export { OptimizerShards, assignOwners } from './distributed/optimizer-shards';
export { WorkerPlacement } from './distributed/worker-placement';
export { OneDevice } from './distributed/one-device';
export type { Placement } from './distributed/placement';
export { sliceCodePoints } from './util/code-points';
export { isMeasured } from './config/metric-names';
export { evaluationBeside } from './run';
export { linesOf } from './util/lines';
export { quantile } from './util/quantile';
export { stableJson } from './util/stable-json';
export { watchCalls } from './util/pending';
export {
  DEEPEST_JSON,
  decodeUtf8,
  describeInvalidUtf8,
  escapedUnit,
  ExactNumber,
  invalidUtf8At,
  JsonProblem,
  loneSurrogate,
  parseJson,
  readJsonFile,
  readTextFile,
  type JsonOptions,
} from '@graft/checkpoint/internal';
export {
  configFacts,
  fallbackWarning,
  findRecord,
  findTokenizerFolders,
  findSnapshot,
  MetricsFile,
  readOptimizerState,
  readParameters,
  RunFolder,
  writeSnapshot,
} from './run';
export { literalSecretsWarning, maskedForMessage } from './secrets';
export {
  availableMemory,
  formatDuration,
  formatMemory,
  globalNorm,
  makeTrainStep,
  ParameterGroups,
  Stepper,
  Trackers,
  TrainingLoop,
  type ParameterGroupSettings,
  type StepInputs,
  type StepOutputs,
  type StepperParts,
  type StepperSettings,
  type TrainerState,
  type TrainingParts,
  type TrainingResult,
  type TrainingSettings,
  type TrainingStart,
  type TrainStep,
} from './training';
export { isPacked, namedKey, widened } from './training/parameter-storage';
export { barOf, cutTo, openStatusLine, type StatusLine } from './util/status-line';
export { describeLost } from './util/plain-json';
export { settingText, shortKeys, TRAINING_NUMBERS } from './sweep';
