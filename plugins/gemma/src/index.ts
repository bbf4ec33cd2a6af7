export { plugin, plugin as default } from './plugin';
export {
  NAMED_PAIRS,
  parsePreset,
  SIZE_NAMES,
  SIZES,
  VOCABULARY_SIZE,
  type Preset,
  type PresetSide,
  type Size,
  type SizeName,
} from './model/sizes';
export {
  ENCODER_WINDOWS,
  type AnyGemmaConfig,
  type DecoderOnlyConfig,
  type AttentionMethod,
  type EncoderAttention,
  type EncoderDecoderConfig,
  type EncoderOnlyConfig,
  type EncoderWindow,
  type FunctionPreserving,
  type GemmaConfig,
  type GemmaOptions,
  type LayerType,
  type SideConfig,
  type VisionConfig,
} from './model/config-types';
export { ignoredKeys, parseCheckpointConfig, readModelConfig, toCheckpointConfig } from './model/config';
export { describeModel } from './families/describe';
export { type EmbeddingSource } from './model/embedding';
export { GEMMA2_BLOCK, type BlockDescription, type Projection } from './model/block';
export { type LinearScaling, type Llama3Scaling, type RotaryPositions } from './model/rotary';
export { defaultLayerTypes } from './model/published-defaults';
export { modelOptions, type ModelOptions, type ResolvedModelOptions } from './model/model-options';
export { resolveAnyConfig, resolveModelConfig } from './model/resolve-options';
export { parameterSpecs } from './model/parameters';
export { mapName, type MappedName, type Side } from './adapt/name-mapping';
export { GemmaModel, asGemma } from './model/model';
export type { EncodedLayers, Progress } from './model/preserving';
export type { KeysAndValues } from './model/attention';
export { asAnyGemma, GemmaEncoder, gemmaOf, type AnyGemma } from './model/encoder-model';
export { GemmaFamily } from './family';
export { loadAnyModel, loadModel, type LoadedModel } from './load/load-model';
export { LoadInitializer, loadOptions, type LoadOptions, type ResolvedLoadOptions } from './load/load-initializer';
export {
  AdaptInitializer,
  adaptOptions,
  type AdaptOptions,
  type ResolvedAdaptOptions,
} from './adapt/adapt-initializer';
export {
  adaptCheckpoint,
  DEFAULT_STD,
  type AdaptProgress,
  type AdaptReport,
  type AdaptRequest,
} from './adapt/adapt-checkpoint';
export { addDelta, type AddDeltaReport, type AddDeltaRequest } from './adapt/add-delta';
export type { StreamProgress } from './adapt/stream-checkpoint';
export { exportEncoder, type ExportEncoderRequest, type ExportReport } from './adapt/export-encoder';
export {
  CROSS_ATTENTION_CHOICES,
  CROSS_ATTENTION_NORMS,
  type CrossAttention,
  type CrossAttentionNorms,
} from './adapt/cross-attention';
export { RANDOM_PARTS, type RandomPart } from './adapt/parts';
export { CROSS_ATTENTION_FORM_CHOICES, type CrossAttentionFormChoice, type PreserveFunction } from './adapt/form';
export { CROSS_ATTENTION_FORMS, type CrossAttentionForm } from './model/block';
export { EXPAND_HEADS_CHOICES, type ExpandedHeads, type ExpandHeads } from './adapt/expanded-heads';
export { generationDefaults, readGenerationConfig } from './generate/generation-defaults';
// Core's, which work on every family; exported here for programs that were written before they moved.
export {
  checkTensors,
  ClassifierRunner,
  DEFAULT_NEW_TOKENS,
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
export { parameterSummary, type ParameterSummary } from './cost/summary';
export { modelCosts, type ModelCosts, type PartCosts } from './cost/costs';
export { GemmaClassifier, type ClassifierConfig, type ClassifierTask } from './heads/classifier';
export {
  loadClassifier,
  parseClassifierConfig,
  saveClassifier,
  toClassifierConfig,
  type LoadedClassifier,
} from './heads/classifier-folder';
export { flopsPerStep, forwardFlops, type BatchShape, type FlopsByPart } from './cost/flops';
export { generationCosts } from './cost/generation';
export { stepMemory, type StepMemory, type StepMemoryOptions } from './cost/memory';
