export { BeamRow, candidateCount, type BeamOptions, type Candidate } from './generate/beam';
export { type BeamSearchOptions, type ScoredSequences } from './generate/beam-search';
export { CacheBuffer, checkCacheMemory } from './generate/cache-buffer';
export { planDecoding, type DecodingPlan, type DecodingRequest } from './generate/decoding-plan';
export { generate, Generator, type GenerateOptions, type TokenEvent } from './generate/generate';
export {
  DEFAULT_NEW_TOKENS,
  generationDefaults,
  generationOf,
  readGenerationConfig,
  type TokenFacts,
} from './generate/generation-defaults';
export { newTokensLimit } from './generate/prompts';
export { completeSampling, draws, scoresOf, type Sampling } from './generate/sampling';
export { ClassifierRunner, type Classification } from './heads/classifier-runner';
export { Embedder, POOLINGS, type EmbedOptions, type Pooling } from './heads/embed';
export { checkIdsAndMask, modelFields } from './heads/host-fields';
export {
  FORWARD_OUTPUTS,
  runForward,
  type ForwardOutput,
  type ForwardRequest,
  type LossFunction,
} from './heads/run-forward';
export { checkTensors, streamParameters, type Stored, type WeightPrecision } from './load/checkpoint-tensors';
export { findFamily, type FoundFamily } from './load/find-family';
export {
  loadCheckpoint,
  loadClassifierCheckpoint,
  modelOfFolder,
  type LoadCheckpointOptions,
  type LoadedClassifier,
  type LoadedModel,
} from './load/load-checkpoint';
export { refuseCommand } from './load/refuse-command';
