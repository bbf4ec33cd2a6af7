import 'reflect-metadata';

export { inject, injectable } from 'tsyringe';
export {
  GraftError,
  EngineError,
  CheckpointError,
  DataError,
  PluginError,
  ConfigError,
  UsageError,
  type GraftErrorOptions,
} from '@graft/engine';
export {
  FIELDS,
  IGNORED_LABEL,
  INTERFACES,
  SEGMENT_FIELDS,
  type BatchTensors,
  type Callback,
  type CallbackContext,
  type CheckpointInfo,
  type ComponentFactory,
  type ComponentPurpose,
  type ComponentSpec,
  type ComponentTypes,
  type Dataset,
  type CheckpointStorage,
  type Classifier,
  type Decoding,
  type DecodingCache,
  type DecodingPrompt,
  type DecodingStart,
  type DecodingState,
  type DecodingStep,
  type FamilyAdaptRequest,
  type FamilyAdaptResult,
  type FamilyExportRequest,
  type GenerationCosts,
  type GenerationDefaults,
  type GenerationShape,
  type DropoutRates,
  type EndInfo,
  type EndStatus,
  type EvaluationContext,
  type EvaluationInfo,
  type Evaluator,
  type FieldDtype,
  type FieldSpec,
  type ForwardOptions,
  type HostArray,
  type HostFields,
  type Initializer,
  type InitialModel,
  type InterfaceName,
  type JsonValue,
  type LossOutput,
  type Model,
  type ModelFamily,
  type TensorSplit,
  type ModelKind,
  type ModelOutputs,
  type ModelTransition,
  type ModelPart,
  type ModelSettings,
  type NamedToken,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Optimizer,
  type OptimizerState,
  type OptimizerUpdate,
  type OutputHead,
  type Parameters,
  type PhaseCosts,
  type ParameterSpec,
  type Representation,
  type RunInfo,
  type Schedule,
  type SampleContext,
  type SettleContext,
  type Settled,
  type SideRules,
  type SideTokenizers,
  type SideTokens,
  type SpecialTokenPolicy,
  type StepShape,
  type SpecialTokenRule,
  type SpecialTokens,
  type StepInfo,
  type ChoiceItem,
  type GenerationAnswer,
  type GenerationItem,
  type ItemFacts,
  type LikelihoodAnswer,
  type RowScore,
  type Task,
  type TaskItem,
  type TaskRequest,
  type Tokenizer,
  type TokenizerFacts,
  type EvaluationProgress,
  type TrackedRun,
  type GitState,
  type HostFacts,
  type RunEnvironment,
  type Tracker,
} from './interfaces';
// Not by name: `declare module '@graft/core'` extends an interface only where it is not an alias (docs/config.md).
export * from './interfaces/component-options';
export { freshHead, headLogits, HEAD_BIAS, HEAD_WEIGHT } from './loss/classification-head';
export {
  labelWeights,
  maskedCrossEntropy,
  weightedCrossEntropy,
  type CrossEntropyOptions,
  type CrossEntropySettings,
  type MaskedCrossEntropy,
} from './loss/cross-entropy';
export { Adapter, withAdapter, type AdapterModel } from './training/lora/adapter';
export { mergeAdapter, type MergeAdapterReport, type MergeAdapterRequest } from './models/load/merge-adapter';
export { LoraModel } from './training/lora/lora-model';
export type { LoraSettings } from './config/lora-section';
export { lowRankTerm, pairNames, pairOf, type LowRankPair } from './training/lora/pairs';
export { createRandom, type RandomStream } from './random/streams';
export { COMPONENTS, createToken, ENGINE, LOGGER, OPTIONS, RANDOM, RUN, TASKS, type Token } from './components/tokens';
export { createLogger, silentLogger, type Logger, type LogLevel } from './util/logger';
export type { ComponentContext, ProvisionContext } from './components/context';
export {
  defineComponent,
  definePlugin,
  provide,
  type ComponentDefinition,
  type ComponentDescription,
  type ComponentMaker,
  type Plugin,
  type Provision,
} from './components/plugin';
export {
  Registry,
  type RegisteredComponent,
  type RegisteredProvision,
  type RegisteredTask,
} from './components/registry';
export { createComponentFactory, type RunServices } from './components/factory';
export {
  allLabelsIgnored,
  checkContract,
  checkFields,
  checkLabels,
  exampleRandom,
  hasLabels,
  vocabularyName,
  vocabularyOfField,
} from './data/batch-checks';
export {
  appendsEos,
  AUTO_POLICY,
  buildModel,
  modelInput,
  modelInputSurplus,
  readsBos,
  specialTokenPolicy,
  tokenizerClash,
  tokensOfSide,
  withoutModelInput,
  type BuildSettings,
} from './data/special-tokens';
export { didYouMean, nearest } from './util/suggest';
export { checkSide, checkSides, checkTokenizer, sidesOf, SideText } from './data/side-text';
export { shiftRight } from './data/shift-right';
export { fieldProblem } from './data/field-problem';
export { watchedItems } from './data/items';
export { checkSource, meansVariant, uploadBatch } from './data/loader';
export type { WorkerOptions } from './distributed/group';
export type { EvaluationRecord, NamedEvaluator } from './evaluation/evaluations';
export type { BestCheckpoint, TrainingResult } from './training';
export { namedKey, type MasterWeights, type ParameterDtype, type ParameterStorage } from './training/parameter-storage';
export {
  estimateTrainingMemory,
  ONE_DEVICE,
  type BatchLengths,
  type MemoryEstimate,
  type MemoryRequest,
  type MemoryShards,
} from './training/memory-estimate';
export { TrainingError } from './util/training-error';
export { matchesName } from './util/match-name';
export {
  componentOption,
  componentTypes,
  configJsonSchema,
  defineExperiment,
  describeOptions,
  describeSections,
  differingKeys,
  evaluatorSection,
  InvalidConfigError,
  loadConfig,
  loadEvaluationConfig,
  loadPlugin,
  loadRegistry,
  parseOptions,
  parseOverride,
  pathOption,
  secret,
  SpecialTokensSection,
  type ConfigIssue,
  type DifferingKey,
  type EvaluationConfig,
  type EvaluatorSection,
  type ExperimentConfig,
  type ExperimentInput,
  type LoadedEvaluation,
  type LoadedExperiment,
  type LoadedTraining,
  type LoadOptions,
  type NamedCode,
  type OnCode,
  type OptionDescription,
  type PluginOptions,
  type PluginReference,
  type JsonSchema,
  type TrainingConfig,
} from './config';
export {
  configHash,
  countParameters,
  fillParameters,
  loadFrozenCheckpoint,
  loadFrozenModel,
  loadInitialModel,
  type FrozenModel,
  type FrozenModelRequest,
  findCheckpoints,
  findLearningRate,
  findResumableRun,
  findRunFolder,
  findSameRun,
  listRuns,
  readMetrics,
  readRunRecord,
  dryRun,
  runEvaluation,
  runExperiment,
  runsByConfig,
  withInterrupt,
  withTrainingSteps,
  type EvaluationRunOptions,
  type EvaluationRunResult,
  type FoundRun,
  type LearningRateOptions,
  type LearningRatePoint,
  type LearningRateRange,
  type ListedRun,
  type MetricLines,
  type ResumeRequest,
  type RunCheckpoints,
  type DryRun,
  type DryRunOptions,
  type FirstRowText,
  type RunOptions,
  type RunRecord,
  type RunResult,
  type RunsByConfigOptions,
  type RunStatus,
  type TrainingStepsOptions,
} from './run';
export {
  checkLatencies,
  loadSweep,
  measureLatency,
  runTrials,
  summarize,
  sweepJsonSchema,
  type Better,
  type LatencyOptions,
  type LatencyRequest,
  type LoadSweepOptions,
  type MatchedCosts,
  type PointSummary,
  type RunTrialsOptions,
  type Setting,
  type StartTrial,
  type SummaryRequest,
  type Sweep,
  type SweepPoint,
  type EvaluationTrial,
  type TrainingTrial,
  type TrialFacts,
  type Trial,
  type TrialEnd,
  type TrialEvent,
  type TrialNumbers,
  type TrialsEnd,
  type TrialShare,
  type TrialStart,
} from './sweep';
export { bootstrapMean, type BootstrapOptions, type MeanInterval } from './random/bootstrap';
export {
  isSecret,
  maskedConfig,
  redact,
  rememberSecret,
  Secret,
  type SecretOptions,
  type SecretSource,
} from './secrets';
export { BeamRow, candidateCount, type BeamOptions, type Candidate } from './models/generate/beam';
export { type BeamSearchOptions, type ScoredSequences } from './models/generate/beam-search';
export { CacheBuffer, checkCacheMemory } from './models/generate/cache-buffer';
export { planDecoding, type DecodingPlan, type DecodingRequest } from './models/generate/decoding-plan';
export { generate, Generator, type GenerateOptions, type TokenEvent } from './models/generate/generate';
export {
  DEFAULT_NEW_TOKENS,
  generationDefaults,
  generationOf,
  readGenerationConfig,
  type TokenFacts,
} from './models/generate/generation-defaults';
export { newTokensLimit } from './models/generate/prompts';
export { completeSampling, draws, scoresOf, type Sampling } from './models/generate/sampling';
export { ClassifierRunner, type Classification } from './models/heads/classifier-runner';
export { Embedder, POOLINGS, type EmbedOptions, type Pooling } from './models/heads/embed';
export { checkIdsAndMask, modelFields } from './models/heads/host-fields';
export {
  FORWARD_OUTPUTS,
  runForward,
  type ForwardOutput,
  type ForwardRequest,
  type LossFunction,
} from './models/heads/run-forward';
export { checkTensors, streamParameters, type Stored, type WeightPrecision } from './models/load/checkpoint-tensors';
export { findFamily, type FoundFamily } from './models/load/find-family';
export {
  loadCheckpoint,
  loadClassifierCheckpoint,
  modelOfFolder,
  type LoadCheckpointOptions,
  type LoadedClassifier,
  type LoadedModel,
} from './models/load/load-checkpoint';
export { refuseCommand } from './models/load/refuse-command';
export { AnswerStore, type Answer } from './tasks/answer-store';
export { ChoiceTask, largestAt, scoreChoices, type Choices } from './tasks/choice-task';
export { encodePrompt, encodeRequest, encodeTurn, type EncodedRequest, type Turns } from './tasks/encode-request';
export { FewShotTask, type TaskSet } from './tasks/few-shot-task';
export { findTasks, type Suites } from './tasks/find-tasks';
export { GenerationTask } from './tasks/generation-task';
export { LikelihoodScorer, type ScoredRequest } from './tasks/likelihood-scorer';
export { meanScores } from './tasks/mean-scores';
export { modelDigest } from './tasks/model-digest';
export type { BatchLimits } from './tasks/passes';
export { TaskRunner, type TaskRecord, type TaskResult, type TaskRun, type TaskRunnerParts } from './tasks/task-runner';
export { cutAtStop, TextGenerator, type GeneratedRequest, type GenerationRequest } from './tasks/text-generator';
