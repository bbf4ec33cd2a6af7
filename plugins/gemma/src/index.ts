export { plugin, plugin as default } from './plugin';
export { NAMED_PAIRS, parsePreset, SIZE_NAMES, SIZES, VOCABULARY_SIZE, type Size, type SizeName } from './model/sizes';
export {
  type AnyGemmaConfig,
  type DecoderOnlyConfig,
  type EncoderAttention,
  type EncoderDecoderConfig,
  type EncoderOnlyConfig,
  type EncoderWindow,
  type GemmaConfig,
  type GemmaOptions,
  type LayerType,
  type SideConfig,
} from './model/config-types';
export { parseCheckpointConfig, readModelConfig, toCheckpointConfig } from './model/config';
export { defaultLayerTypes } from './model/published-defaults';
export { ignoredKeys } from './model/ignored-keys';
export {
  modelOptions,
  resolveAnyConfig,
  resolveModelConfig,
  type ModelOptions,
  type ResolvedModelOptions,
} from './model/model-options';
export { parameterSpecs } from './model/parameters';
export { mapName, type MappedName, type Side } from './adapt/name-mapping';
export { GemmaModel, asGemma } from './model/model';
export { asAnyGemma, GemmaEncoder, gemmaOf, type AnyGemma } from './model/encoder-model';
export { GemmaFamily } from './family';
export {
  checkTensors,
  loadAnyModel,
  loadModel,
  readParameters,
  type LoadedModel,
  type WeightPrecision,
} from './load/load-model';
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
export { exportEncoder, type ExportEncoderRequest, type ExportReport } from './adapt/export-encoder';
export {
  CROSS_ATTENTION_CHOICES,
  CROSS_ATTENTION_NORMS,
  type CrossAttention,
  type CrossAttentionNorms,
} from './adapt/cross-attention';
export { RANDOM_PARTS, type RandomPart } from './adapt/plan';
export { EXPAND_HEADS_CHOICES, type ExpandedHeads, type ExpandHeads } from './adapt/expanded-heads';
export { generate, Generator, type GenerateOptions, type TokenEvent } from './generate/generate';
export { planDecoding, type DecodingPlan, type DecodingRequest } from './generate/decoding-plan';
export { type BeamSearchOptions, type ScoredSequences } from './generate/beam-search';
export { type Sampling } from './generate/sampling';
export {
  generationDefaults,
  readGenerationConfig,
  DEFAULT_NEW_TOKENS,
  type GenerationDefaults,
} from './generate/generation-defaults';
export {
  FORWARD_OUTPUTS,
  runForward,
  type ForwardOutput,
  type ForwardRequest,
  type LossFunction,
} from './heads/run-forward';
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
export { ClassifierRunner, type Classification } from './heads/classifier-runner';
export { Embedder, POOLINGS, type EmbedOptions, type Pooling } from './heads/embed';
export { flopsPerStep, forwardFlops, type BatchShape, type FlopsByPart } from './cost/flops';
