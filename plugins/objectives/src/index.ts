// Core's, for those who look for it beside the objectives.
export { maskedCrossEntropy, type CrossEntropyOptions, type MaskedCrossEntropy } from '@graft/core';
export { chunkedCrossEntropy } from './loss/cross-entropy';
export * from './batch/shift-right';
export * from './batch/padding';
export * from './loss/language-model-loss';
export { Seq2Seq, seq2seqOptions, encoderDecoderBatch, type Seq2SeqOptions } from './objectives/seq2seq';
export { PrefixLm, type PrefixLmOptions } from './objectives/prefix-lm';
export {
  Teacher,
  TEACHER_FIELDS,
  type DistillationOptions,
  type TeacherTargets,
  type LessonSettings,
} from './distillation/distillation';
export { distillationLoss, type SoftTarget, type SoftTargets } from './loss/distillation-loss';
export { denseDivergence, denseEntropy } from './loss/dense-divergence';
export { CachedTeacher, CACHE_FIELDS } from './distillation/cached-teacher';
export { cacheTeacher, type CacheTeacherOptions, type CacheTeacherResult } from './distillation/build-cache';
export { TeacherCache, type StoredSequence, type TeacherCacheIndex } from './distillation/cache-format';
export { topKDivergence, topKEntropy, type TopK } from './loss/top-k-divergence';
export { Ul2 } from './objectives/ul2';
export { ul2Options, type Ul2Options } from './objectives/ul2-options';
export { UL2_PRESETS, type Denoiser } from './corruption/denoisers';
export { type DenoisingTokens, type SentinelOptions } from './corruption/sentinels';
export { corrupt, drawSpans, planNoise, type NoisePlan, type Span } from './corruption/spans';
export { CausalLm, type CausalLmOptions } from './objectives/causal-lm';
export { Mixture, type MixtureMember } from './objectives/mixture';
export { LossEvaluator, type LossEvaluatorOptions } from './evaluators/loss-evaluator';
export { plugin } from './plugin';
export { plugin as default } from './plugin';
