export { plugin, plugin as default } from './plugin';
// Core's, for those who look for it beside the objectives.
export { maskedCrossEntropy, shiftRight, type CrossEntropyOptions, type MaskedCrossEntropy } from '@graft/core';
export { chunkedCrossEntropy } from './loss/cross-entropy';
export { sumOverChunks, type ChunkLoss } from './loss/chunks';
export { onesLike, paddingMask, padRows, padWeights, roundUp } from './batch/padding';
export {
  countMaskedTokens,
  languageModelLoss,
  lossOptions,
  outputHeadOf,
  type LossSettings,
} from './loss/language-model-loss';
export { LanguageModelObjective } from './objectives/language-model-objective';
export {
  Seq2Seq,
  seq2seqOptions,
  encoderDecoderBatch,
  type ResolvedSeq2SeqOptions,
  type Seq2SeqOptions,
} from './objectives/seq2seq';
export { PrefixLm, prefixLmOptions, type PrefixLmOptions, type ResolvedPrefixLmOptions } from './objectives/prefix-lm';
export {
  distillationOptions,
  Teacher,
  TEACHER_FIELDS,
  type DistillationOptions,
  type ResolvedDistillationOptions,
} from './distillation/distillation';
export type { TeacherTargets, DistillationSettings } from './distillation/teacher-targets';
export { teacherBos } from './distillation/distillation';
export { teacherHead } from './distillation/teacher-head';
export { distillationLoss } from './distillation/distillation-loss';
export type { SoftTarget, SoftTargets } from './distillation/teacher-targets';
export { denseDivergence, denseEntropy } from './loss/dense-divergence';
export { CachedTeacher, CACHE_FIELDS } from './distillation/cached-teacher';
export { cacheTeacher, type CacheTeacherOptions, type CacheTeacherResult } from './distillation/build-cache';
export type { ObjectiveTeacher, TaughtObjective } from './distillation/taught-objective';
export { checkpointFingerprint, TeacherCache, type StoredSequence } from './distillation/cache-format';
export type { TeacherCacheIndex } from './distillation/cache-index';
export { topKDivergence, topKEntropy, type TopK } from './loss/top-k-divergence';
export { TaughtLanguageModelObjective, type TaughtOptions } from './objectives/taught-language-model';
export { NO_ORIGIN, TEXT_ORIGIN_FIELDS } from './batch/text-origins';
export { Ul2, type Ul2Parts } from './objectives/ul2';
export { ul2Options, type ResolvedUl2Options, type Ul2Options } from './objectives/ul2-options';
export { denoiserOption, UL2_PRESETS, type Denoiser, type DenoiserOptions } from './corruption/denoisers';
export {
  modeTokenOptions,
  sentinelOptions,
  type DenoisingTokens,
  type ModeTokenOptions,
  type SentinelOptions,
} from './corruption/sentinels';
export type { ChosenTokens } from './corruption/denoising-tokens';
export {
  corrupt,
  drawSpans,
  planNoise,
  type Corrupted,
  type CorruptedSides,
  type NoisePlan,
  type Span,
} from './corruption/spans';
export { CausalLm, causalLmOptions, type CausalLmOptions, type ResolvedCausalLmOptions } from './objectives/causal-lm';
export {
  Mixture,
  mixtureOptions,
  type MixtureMember,
  type MixtureOptions,
  type ResolvedMixtureOptions,
} from './objectives/mixture';
export {
  LossEvaluator,
  lossEvaluatorOptions,
  type LossEvaluatorOptions,
  type ResolvedLossEvaluatorOptions,
} from './evaluators/loss-evaluator';
