/** The conformance suite: for each interface, a function that returns its checks. */
export * as conformance from './conformance';
export type { CallbackOptions } from './conformance/callback';
export type { DatasetOptions } from './conformance/dataset';
export type { EvaluatorOptions } from './conformance/evaluator';
export type { InitializerOptions } from './conformance/initializer';
export type { ModelFamilyOptions } from './conformance/model';
export type { ObjectiveOptions } from './conformance/objective';
export type { ScheduleOptions } from './conformance/schedule';
export type { TokenizerOptions } from './conformance/tokenizer';
export type { Received, TrackerOptions } from './conformance/tracker';
export { ContractError, type Check, type Make } from './check';
export { createComponent, type CreateOptions } from './create-component';
export { openStrictEngine } from './engine/strict-engine';
export { ToyDataset, toyExamples, type ToyDatasetOptions } from './toys/dataset';
export { randomParameters, toyFamily, toyInitializer, toyModel, type ToyModelOptions } from './toys/model';
export { TOY_VOCABULARY, ToyTokenizer } from './toys/tokenizer';
