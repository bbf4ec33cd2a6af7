export { plugin, plugin as default } from './plugin';
export * from './model/sizes';
export * from './model/config-types';
export * from './model/config';
export * from './model/published-defaults';
export { ignoredKeys } from './model/ignored-keys';
export * from './model/model-options';
export * from './model/parameters';
export * from './adapt/name-mapping';
export { GemmaModel, asGemma } from './model/model';
export { asAnyGemma, GemmaEncoder, gemmaOf, type AnyGemma } from './model/encoder-model';
export { GemmaFamily } from './family';
export * from './load/load-model';
export { LoadInitializer, loadOptions } from './load/load-initializer';
export { AdaptInitializer, adaptOptions } from './adapt/adapt-initializer';
export * from './adapt/adapt-checkpoint';
export { exportEncoder, type ExportEncoderRequest, type ExportReport } from './adapt/export-encoder';
export {
  CROSS_ATTENTION_CHOICES,
  CROSS_ATTENTION_NORMS,
  type CrossAttention,
  type CrossAttentionNorms,
} from './adapt/cross-attention';
export { RANDOM_PARTS, type RandomPart } from './adapt/plan';
export { EXPAND_HEADS_CHOICES, type ExpandedHeads, type ExpandHeads } from './adapt/expanded-heads';
export { generationDefaults, readGenerationConfig } from './generate/generation-defaults';
// Core's, which work on every family; exported here for programs that were written before they moved.
export {
  checkTensors,
  ClassifierRunner,
  completeSampling,
  DEFAULT_NEW_TOKENS,
  draws,
  Embedder,
  FORWARD_OUTPUTS,
  generate,
  Generator,
  planDecoding,
  POOLINGS,
  streamParameters as readParameters,
  runForward,
  type BeamSearchOptions,
  type Classification,
  type DecodingPlan,
  type DecodingRequest,
  type EmbedOptions,
  type ForwardOutput,
  type ForwardRequest,
  type GenerateOptions,
  type GenerationDefaults,
  type LossFunction,
  type Pooling,
  type Sampling,
  type ScoredSequences,
  type TokenEvent,
  type WeightPrecision,
} from '@graft/core';
export * from './cost/summary';
export * from './cost/costs';
export { GemmaClassifier, type ClassifierConfig, type ClassifierTask } from './heads/classifier';
export * from './heads/classifier-folder';
export { flopsPerStep, forwardFlops, type BatchShape, type FlopsByPart } from './cost/flops';
