export { plugin, plugin as default } from './plugin';
export * from './sizes';
export * from './config';
export * from './published-defaults';
export { ignoredKeys } from './ignored-keys';
export * from './model-options';
export * from './parameters';
export * from './name-mapping';
export { GemmaModel, asGemma } from './model';
export { asAnyGemma, GemmaEncoder, gemmaOf, type AnyGemma } from './encoder-model';
export { GemmaFamily } from './family';
export * from './load-model';
export { LoadInitializer, loadOptions } from './load-initializer';
export { AdaptInitializer, adaptOptions } from './adapt-initializer';
export * from './adapt-checkpoint';
export { exportEncoder, type ExportEncoderRequest, type ExportReport } from './export-encoder';
export {
  CROSS_ATTENTION_CHOICES,
  CROSS_ATTENTION_NORMS,
  type CrossAttention,
  type CrossAttentionNorms,
} from './adapt-cross-attention';
export {
  EXPAND_HEADS_CHOICES,
  RANDOM_PARTS,
  type ExpandedHeads,
  type ExpandHeads,
  type RandomPart,
} from './adapt-plan';
export * from './generate';
export * from './decoding-plan';
export { type BeamSearchOptions, type ScoredSequences } from './beam-search';
export { completeSampling, draws, type Sampling } from './sampling';
export {
  DEFAULT_NEW_TOKENS,
  generationDefaults,
  readGenerationConfig,
  type GenerationDefaults,
} from './generation-defaults';
export * from './run-forward';
export * from './summary';
export * from './costs';
export { GemmaClassifier, SCORE_BIAS, SCORE_WEIGHT, type ClassifierConfig, type ClassifierTask } from './classifier';
export * from './classifier-folder';
export { Classifier, type Classified } from './classify';
export { Embedder, POOLINGS, type EmbedOptions, type Pooling } from './embed';
export { flopsPerStep, forwardFlops, type BatchShape, type FlopsByPart } from './flops';
