export { plugin, plugin as default } from './plugin';
export { DIAGNOSTICS, findTask, readDiagnostic, readTask, readTextTask, TASKS } from './tasks';
export type {
  ClassificationExample,
  ClassificationResult,
  Diagnostic,
  Part,
  PlacedExample,
  PlacedTextExample,
  RowPlace,
  SuperGlueTask,
  TaskId,
  TextExample,
  TextPart,
  TextResult,
  TextTask,
} from './tasks';
export { matthews } from './tasks/scores';
export { SuperGlueEvaluator } from './evaluator';
export { superGlueOptions, type ResolvedSuperGlueOptions, type SuperGlueOptions } from './options';
export {
  encodeExamples,
  type EncodedExample,
  type EncodedExamples,
  type EncodeOptions,
  type PlacedText,
} from './encode-examples';
export { DivergedError, type EpochResult, type EpochSettings, type Trial, type TrialRun } from './epochs';
export { FineTuner, type FineTuneSettings } from './fine-tune';
export { type ClassificationBatch } from './batches';
export { classLogits, classificationLoss, initialHead } from './head';
export { HEAD_BIAS, HEAD_WEIGHT } from '@graft/core';
export { writeSyntheticBenchmark, type SyntheticBenchmarkOptions } from './synthetic';
