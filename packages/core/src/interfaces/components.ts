import type { ComponentSpec } from './component-spec';
import type { tf } from '@graft/engine';
import type { BatchTensors, FieldSpec, HostFields } from './batch';
import type { RunEnvironment } from './environment';
import type { Model, SpecialTokenPolicy } from './model';
import type { Parameters } from './parameters';
import type { RandomStream } from '../random/streams';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * Gives a model its parameters: mapped from checkpoints, random, or loaded. Streams; never has two models in memory.
 */
export interface Initializer {
  /** The config.json that the parameters require; undefined if only the config's `model:` section decides. */
  checkpointConfig(): Promise<Record<string, unknown> | undefined>;
  /** The generation_config.json that belongs to the parameters. Default: none. */
  generationConfig?(): Promise<Record<string, unknown> | undefined>;
  /** Yields every parameter of the model once, in any order. The consumer owns the tensors. */
  parameters(model: Model, random: RandomStream): AsyncIterable<readonly [name: string, value: tf.Tensor]>;
}

/** The input of an Objective for one step: single sequences to be collated, or a ready batch. */
export type ObjectiveSource =
  | { readonly kind: 'examples'; readonly examples: readonly HostFields[] }
  | { readonly kind: 'batch'; readonly batch: HostFields };

export interface ObjectiveContext {
  /** Completed steps before this one; undefined in an evaluation. */
  readonly step?: number;
  /** The variant that `variantAt` returned for this step. */
  readonly variant?: string;
  /** Differs for every step and is the same after a resume. For draws per example see `exampleRandom`. */
  readonly random: RandomStream;
  /** Index of the first example in the whole batch, of which other workers may have other slices. Default 0. */
  readonly firstExample?: number;
  /**
   * Whether the examples are one worker's slice of a batch, in which every label may be ignored. Default: the whole
   * batch.
   */
  readonly partOfBatch?: boolean;
  readonly model: Model;
  /** Tokenizer facts of the dataset that the examples come from, if known. */
  readonly tokenizer?: TokenizerFacts;
}

/** The inputs of an objective's `settle`. */
export interface SettleContext extends Pick<ObjectiveContext, 'model' | 'tokenizer'> {
  /** For a part of an objective: its own part of `RunInfo.recorded`. Default: all. */
  readonly recorded?: RunInfo['recorded'];
}

/** The choices of an objective before the first step. */
export interface Settled {
  /** Sentences for the log about its choices. */
  readonly notes: readonly string[];
  /** Warnings, as sentences. */
  readonly warnings: readonly string[];
  /**
   * What later users of the parameters must know: sections of the graft.json next to them. A run that starts from them
   * finds it in `RunInfo.recorded`.
   */
  readonly record: Readonly<Record<string, JsonValue>>;
}

export interface LossOutput {
  /** Scalar, float32. */
  loss: tf.Scalar;
  /**
   * The number of labels over which the loss is a mean, float32 scalar: the weight of micro-batches and workers.
   * Default 1.
   */
  weight?: tf.Scalar;
  /** Scalars to log with it: means like the loss. */
  metrics?: Record<string, tf.Scalar>;
  /** Scalars to log that are counts: they are summed over micro-batches and workers. */
  sums?: Record<string, tf.Scalar>;
}

/** Turns token sequences into model inputs (on the host), and model outputs into a loss and metrics (inside the compiled step). */
export interface Objective {
  /** The kind of model that the objective trains. Default: any. */
  readonly modelKind?: Model['kind'];
  /**
   * All values that `variantAt` may return, if known: each is checked against the data and evaluated separately. `a`
   * stands for a part whose own variants, `a/low`, are not known.
   */
  readonly variants?: readonly string[];
  /**
   * Makes choices that depend on model and tokenizer. The run calls it before the first step; otherwise `prepare` must
   * make them. Throws DataError if options, model and tokenizer are incompatible.
   */
  settle?(context: SettleContext): Settled;
  /** Required fields of each example or of a ready batch; undefined: that kind of source is not supported. */
  inputFields(kind: ObjectiveSource['kind'], variant?: string): readonly FieldSpec[] | undefined;
  /** Fields of the batch that `prepare` returns and `loss` receives. */
  readonly batchFields: readonly FieldSpec[];
  /**
   * Pads, shifts right, makes masks. The only place where the shift to the right happens. Throws DataError for examples or ready
   * batches that mean nothing to it: data/batch-checks.ts says which check decides on what.
   */
  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields;
  /**
   * Traceable: pure tf code. `options` are for the model: `training` and the key of what it draws (see ForwardOptions).
   */
  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor; variant?: string },
  ): LossOutput;
  /**
   * The variant of the loss at a step, for objectives that change between steps: each variant is compiled separately,
   * and `prepare` and `loss` receive it. `step`: completed steps before. Must depend only on its arguments.
   */
  variantAt?(step: number, random: RandomStream): string | undefined;
  /**
   * The requested length of an example in tokens, by its index in the whole batch, if the dataset cuts text to
   * requested lengths (`Dataset.cut`). Undefined: as the dataset yields it. Must depend only on its arguments; `random`
   * is that of `prepare`.
   */
  exampleTokens?(context: Pick<ObjectiveContext, 'model' | 'random' | 'variant'>, index: number): number | undefined;
  /**
   * Tokens of a prepared batch that count for tokens/s (encoder and decoder positions). `variant`: the one that `prepare` got.
   * Default: all ids.
   */
  countTokens?(batch: HostFields, variant?: string): number;
  /**
   * Digests of files that it reads in addition to the data, by description ("the teacher /models/2b"): workers compare
   * them before the first step. Default: none.
   */
  fileDigests?(): Promise<Readonly<Record<string, string>>>;
  /** Frees resources of the objective (a teacher's parameters). The run calls it at its end. */
  dispose?(): void;
}

/** Tensors by name, e.g. `adamw.m/<parameter>`. Keyed by parameter name, never by position. */
export type OptimizerState = Record<string, tf.Tensor>;

export interface OptimizerUpdate {
  readonly gradients: Parameters;
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Number of steps of these parameters before this one, including skipped ones, float32 scalar. */
  readonly step: tf.Scalar;
  /** Learning rate of this step, float32 scalar: the base rate times the schedule's factor. */
  readonly learningRate: tf.Scalar;
  /** Global L2 norm of the gradients before clipping, float32 scalar. */
  readonly gradientNorm: tf.Scalar;
  /** Factor on the weight decay of these parameters. Default 1. */
  readonly weightDecayFactor?: number;
}

/** Turns gradients into new parameters and state. Pure, so that it can be compiled into the step. */
export interface Optimizer {
  /** Base learning rate that a Schedule scales: a finite number >= 0. */
  readonly learningRate: number;
  /**
   * The state before the first step: float32 or int32 tensors by name, which the run then owns. Called within a
   * `tf.tidy` of the run; not async. The name of a parameter's state ends in `/<parameter>`.
   */
  init(parameters: Parameters): OptimizerState;
  update(arguments_: OptimizerUpdate): { parameters: Parameters; state: OptimizerState };
}

/** Scales the learning rate by step. */
export interface Schedule {
  /**
   * `step`: completed steps before this one, from 0; `totalSteps`: steps of the run. Returns a finite factor >= 0,
   * usually <= 1.
   */
  factor(step: number, totalSteps: number): number;
}

/** An async-iterable of examples whose position can be saved and restored exactly. */
export interface Dataset extends AsyncIterable<HostFields> {
  /** `examples`: one sequence per item, batched by the Objective; `batch`: an item is a ready batch. */
  readonly kind: ObjectiveSource['kind'];
  readonly fields: readonly FieldSpec[];
  /** Facts about the tokenizer of the items' ids. Default: unknown. */
  readonly tokenizer?: TokenizerFacts;
  /** Items per epoch, if known. */
  readonly length?: number;
  /** Whether it begins another epoch after its last item. Default: not known. */
  readonly repeats?: boolean;
  /**
   * Variants of the objective for which the dataset has separate items; `a` stands for `a/low` and all others of that
   * part.
   */
  readonly variants?: readonly string[];
  /**
   * Selects the items for a variant of the objective, before those of a batch are read; returns their fields. Throws
   * DataError if there are none.
   */
  select?(variant: string | undefined): readonly FieldSpec[];
  /**
   * Sets the length in tokens of the next items, until the next call, for text that can be cut anywhere; undefined: as
   * its options set. Default: items have their own lengths.
   */
  cut?(tokens: number | undefined): void;
  /** The position of the next item as plain JSON: a checkpoint stores it, and `restore` receives it. */
  position(): JsonValue;
  restore(position: JsonValue): Promise<void>;
  /**
   * Skips the next items (of the selected variant) without creating them: other workers and threads create those.
   * Returns how many; fewer only if the iteration would end. A running iteration continues after them. Default: they
   * are read and dropped.
   */
  skip?(items: number): Promise<number>;
  /**
   * The run calls it at its end, in the thread in which the dataset was created. The run waits at most 2 s for a
   * separate thread.
   */
  dispose?(): void;
}

/** How far an evaluator is. */
export interface EvaluationProgress {
  /** How many of `unit` are done, and of how many; `total` undefined: not known. */
  readonly done: number;
  readonly total?: number;
  /** In the plural: `batches`, `steps`. */
  readonly unit: string;
  /** The part of the evaluation that `done` and `total` are of, if it has several: `BoolQ, 2 of 9`. */
  readonly part?: string;
}

export interface EvaluationContext {
  readonly model: Model;
  readonly parameters: Parameters;
  /** Completed steps so far. */
  readonly step: number;
  readonly random: RandomStream;
  /** Aborted when the user wants to stop. A long evaluator then throws, and is run again on resume. */
  readonly signal?: AbortSignal;
  /**
   * Shows the user how far the evaluator is. Optional for both: an evaluator that takes more than a few seconds calls it as often
   * as it likes, and calls nothing where it is undefined.
   */
  readonly progress?: (progress: EvaluationProgress) => void;
}

/** Measures a model and returns named numbers. */
export interface Evaluator {
  /**
   * Checks before the first step what `evaluate` needs, above all that there is something to measure. Throws what `evaluate`
   * would throw. Default: nothing is checked.
   */
  check?(context: Pick<EvaluationContext, 'model' | 'signal'>): Promise<void>;
  evaluate(context: EvaluationContext): Promise<Record<string, number>>;
  dispose?(): void;
}

/** A token that is not a piece of ordinary text, with its name. */
export interface NamedToken {
  readonly id: number;
  /** As configs and tokenizer files write it: `<eos>`, `<unused7>`. */
  readonly token: string;
  /**
   * `special`: starts, ends, pads or marks text. `unused`: reserved, without a meaning yet. `added`: matched in text as
   * a whole, before anything else: `<table>`, a run of line breaks.
   */
  readonly kind: 'special' | 'unused' | 'added';
}

/** Facts about a tokenizer's ids without the tokenizer: plain data, which can be sent between threads. */
export interface TokenizerFacts {
  /** Ids from here on do not belong to the tokenizer: no text produces them. */
  readonly vocabularySize: number;
  /** Every other id of the vocabulary is a piece of text. Undefined: not known. */
  readonly namedTokens?: readonly NamedToken[];
  /** Its special tokens, if known: a run warns if they differ from the model's. */
  readonly padId?: number;
  readonly bosId?: number;
  readonly eosId?: number;
}

export interface Tokenizer extends TokenizerFacts {
  readonly vocabularySize: number;
  readonly padId: number;
  readonly bosId: number;
  readonly eosId: number;
  /** Ids of only the text: no bos, no eos. */
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>, options?: { keepSpecial?: boolean }): string;
  /**
   * Whether every text may be encoded in two parts between these two characters (code points): `encode(a + b)` is
   * `encode(a)` followed by `encode(b)` whenever `a` ends with `before` and `b` begins with `after`. Long documents are
   * encoded in parts that are cut there; a tokenizer without this method receives every document whole.
   */
  separates?(before: string, after: string): boolean;
}

export interface RunInfo {
  readonly name: string;
  readonly id: string;
  readonly folder: string;
  /** For recording; components should use the fields below instead. */
  readonly config: JsonValue;
  /** Id of the model's family, as the config names it. */
  readonly modelFamily?: string;
  /** Total steps of the run. */
  readonly totalSteps?: number;
  /** Where a run was resumed: the steps that it had done. Undefined in a new run, and before the checkpoint was read. */
  readonly resumedFromStep?: number;
  /** The objective of the run, as the config names it; `create` accepts it, including secrets. */
  readonly trainingObjective?: ComponentSpec;
  /** How the checkpoint from which the run starts or resumes was trained: sections of its graft.json. */
  readonly recorded?: Readonly<Record<string, JsonValue>>;
  /** The effective policy, by which data sets append end tokens. Undefined if no model is known. */
  readonly specialTokens?: SpecialTokenPolicy;
}

/** What trackers know of a run that begins, in addition. */
export interface TrackedRun extends RunInfo {
  /** Where and how this process works on the run. */
  readonly environment?: RunEnvironment;
  /** Parameters of the model. */
  readonly parameterCount?: number;
  /** The run's report as one HTML page, from what is in its folder. Undefined if the program that runs it has none. */
  readonly report?: () => Promise<string>;
}

/** Sends metrics out of the process. A failing tracker never stops a run. */
export interface Tracker {
  /** `run.resumedFromStep`: numbers of later steps, which an earlier process logged, will be logged again. */
  start(run: TrackedRun): Promise<void>;
  log(step: number, metrics: Readonly<Record<string, number>>): void;
  finish(status: EndStatus): Promise<void>;
}

/** How a run ended, as run.json has it. */
export type EndStatus = 'finished' | 'interrupted' | 'failed';

/** What every hook of a callback is given. */
export interface CallbackContext {
  readonly run: RunInfo;
  readonly model: Model;
  /** Steps done, those before a resume included. */
  readonly step: number;
  /**
   * Ends the training as if this step were the last: the run evaluates, saves, and is finished. `reason` is one clause, which
   * the log and run.json show. All workers stop after the same step. A second call changes nothing.
   */
  stop(reason: string): void;
}

/** After a step. */
export interface StepInfo extends CallbackContext {
  /** What metrics.jsonl has of the step. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The loop's: neither to be changed nor to be disposed, and valid during the call alone. */
  readonly parameters: Parameters;
}

/** After one evaluator has evaluated. */
export interface EvaluationInfo extends CallbackContext {
  /** The name that the config gives it. */
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** After a checkpoint was written. */
export interface CheckpointInfo extends CallbackContext {
  /** The checkpoint's folder. A later checkpoint may remove it (`train.keepCheckpoints`). */
  readonly folder: string;
}

/** At the end. */
export interface EndInfo extends CallbackContext {
  readonly status: EndStatus;
}

/**
 * Hooks of the training loop, all optional. They may be async; the run waits for them. What one throws ends the run, which
 * names callback and hook. With several workers, callbacks exist in worker 0 alone.
 */
export interface Callback {
  /** `onStep` is called after every step that this divides, and after the last one. An integer from 1. Default 1. */
  readonly every?: number;
  /** Before the first step of this process; after `restore`. */
  onStart?(context: CallbackContext): Promise<void> | void;
  onStep?(info: StepInfo): Promise<void> | void;
  onEvaluation?(info: EvaluationInfo): Promise<void> | void;
  onCheckpoint?(info: CheckpointInfo): Promise<void> | void;
  /** Once, whatever ends the run. Where the status is `failed`, what it throws is only logged. */
  onEnd?(info: EndInfo): Promise<void> | void;
  /** Saved with every checkpoint, as plain JSON. Default: nothing. */
  state?(): JsonValue;
  /**
   * Called before `onStart` of a run that is resumed, with the state in its checkpoint; not where the checkpoint has none,
   * because the callback is new in the config.
   */
  restore?(state: JsonValue): Promise<void> | void;
}
