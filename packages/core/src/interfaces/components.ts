import type { ComponentSpec } from './component-spec';
import type { tf } from '@graft/engine';
import type { BatchTensors, FieldSpec, HostFields } from './batch';
import type { RunEnvironment } from './environment';
import type { Model, SpecialTokenPolicy } from './model';
import type { Parameters } from './parameters';
import type { RandomStream } from '../random/streams';

/** Anything that JSON can represent. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * Provides a model's parameters: mapped from checkpoints, random, or loaded. Streams them, and never has two models in
 * memory.
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

/** What an objective is given with a batch. */
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
   * Whether the examples are one worker's slice of a batch; all labels of a slice may be ignored ones. Default: the
   * whole batch.
   */
  readonly partOfBatch?: boolean;
  readonly model: Model;
  /** Tokenizer facts of the dataset that yields the examples, if known. */
  readonly tokenizer?: TokenizerFacts;
}

/** The inputs of an objective's `settle`. */
export interface SettleContext extends Pick<ObjectiveContext, 'model' | 'tokenizer'> {
  /** For a part of an objective: the part's own entries of `RunInfo.recorded`. Default: all. */
  readonly recorded?: RunInfo['recorded'];
}

/** Choices that an objective made before the first step. */
export interface Settled {
  /** Sentences for the log about these choices. */
  readonly notes: readonly string[];
  /** Warnings, as sentences. */
  readonly warnings: readonly string[];
  /**
   * Facts that later users of the parameters need: sections of the graft.json next to them. A run that starts from
   * these parameters finds them in `RunInfo.recorded`.
   */
  readonly record: Readonly<Record<string, JsonValue>>;
}

/** What `Objective.loss` returns. */
export interface LossOutput {
  /** Scalar, float32. */
  loss: tf.Scalar;
  /**
   * The number (or total weight) of labels over which the loss is a mean, float32 scalar: it weights micro-batches and
   * workers. Default 1.
   */
  weight?: tf.Scalar;
  /** Scalars to log with the loss: means, weighted like the loss. */
  metrics?: Record<string, tf.Scalar>;
  /** Scalars to log that are counts: they are summed over micro-batches and workers. */
  sums?: Record<string, tf.Scalar>;
}

/**
 * Turns token sequences into model inputs (on the host), and model outputs into a loss and metrics (in the compiled
 * step).
 */
export interface Objective {
  /** The kind of model that the objective trains. Default: any. */
  readonly modelKind?: Model['kind'];
  /**
   * All values that `variantAt` may return, if known: each is checked against the data and evaluated separately. `a`
   * stands for a part whose own variants (`a/low`) are unknown.
   */
  readonly variants?: readonly string[];
  /**
   * Makes the choices that depend on model and tokenizer. The run calls it before the first step; without that call,
   * `prepare` must make them. Throws DataError if options, model and tokenizer are incompatible.
   */
  settle?(context: SettleContext): Settled;
  /**
   * Required fields of each example, or of a ready batch; undefined if the objective does not support this kind of
   * source.
   */
  inputFields(kind: ObjectiveSource['kind'], variant?: string): readonly FieldSpec[] | undefined;
  /** Fields of the batch that `prepare` returns and `loss` receives. */
  readonly batchFields: readonly FieldSpec[];
  /**
   * Pads, shifts right and makes masks, on the host. No other code shifts to the right. Throws DataError for examples
   * or ready batches that the objective cannot use; data/batch-checks.ts lists which check covers what.
   */
  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields;
  /**
   * Traceable: pure tf code. `options` are for the model: `training`, and the key of its random draws (see
   * ForwardOptions).
   */
  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor; variant?: string },
  ): LossOutput;
  /**
   * The variant of the loss at a step, for objectives that change between steps. Each variant is compiled separately,
   * and `prepare` and `loss` receive it. `step`: number of completed steps. Must depend only on its arguments.
   */
  variantAt?(step: number, random: RandomStream): string | undefined;
  /**
   * The requested length of an example in tokens, by its index in the whole batch, for a dataset that cuts text to
   * requested lengths (`Dataset.cut`). Undefined: the length that the dataset chooses. Must depend only on its
   * arguments; `random` is the same as for `prepare`.
   */
  exampleTokens?(context: Pick<ObjectiveContext, 'model' | 'random' | 'variant'>, index: number): number | undefined;
  /**
   * Number of tokens of a prepared batch that count for tokens/s (encoder and decoder positions). `variant`: the one
   * that `prepare` received. Default: all ids.
   */
  countTokens?(batch: HostFields, variant?: string): number;
  /**
   * Digests of files that the objective reads in addition to the data, by description ("the teacher /models/2b").
   * Workers compare them before the first step. Default: none.
   */
  fileDigests?(): Promise<Readonly<Record<string, string>>>;
  /** Frees resources of the objective (a teacher's parameters). The run calls it when it ends. */
  dispose?(): void;
}

/** Tensors by name, e.g. `adamw.m/<parameter>`. Keyed by parameter name, never by position. */
export type OptimizerState = Record<string, tf.Tensor>;

/** What an optimizer is given in a step: maps with the same names. */
export interface OptimizerUpdate {
  readonly gradients: Parameters;
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Number of previous steps of these parameters, including skipped ones, float32 scalar. */
  readonly step: tf.Scalar;
  /** Learning rate of this step, float32 scalar: the base rate times the schedule's factor. */
  readonly learningRate: tf.Scalar;
  /** Global L2 norm of the gradients before clipping, float32 scalar. */
  readonly gradientNorm: tf.Scalar;
  /** Factor on the weight decay of these parameters. Default 1. */
  readonly weightDecayFactor?: number;
}

/** Computes new parameters and state from gradients. Pure, so that it can be compiled into the step. */
export interface Optimizer {
  /** Base learning rate that a Schedule scales: a finite number >= 0. */
  readonly learningRate: number;
  /**
   * The state before the first step: float32 or int32 tensors by name, which the run then owns. The run calls it within
   * `tf.tidy`; it is not async. The name of a parameter's state ends in `/<parameter>`.
   */
  init(parameters: Parameters): OptimizerState;
  /** The new values and states of some parameters. Traceable, and pure: it disposes nothing that it is given. */
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
  /** Whether the dataset starts another epoch after its last item. Default: unknown. */
  readonly repeats?: boolean;
  /**
   * Variants of the objective for which the dataset has separate items; `a` stands for all variants of that part
   * (`a/low` and so on).
   */
  readonly variants?: readonly string[];
  /**
   * Selects the items for a variant of the objective, before the items of a batch are read; returns their fields.
   * Throws DataError if there are none.
   */
  select?(variant: string | undefined): readonly FieldSpec[];
  /**
   * Sets the length in tokens of the following items, until the next call, for text that can be cut anywhere;
   * undefined: the length in the dataset's options. Default: the dataset determines the length of each item.
   */
  cut?(tokens: number | undefined): void;
  /** The position of the next item as plain JSON: a checkpoint stores it and `restore` receives it. */
  position(): JsonValue;
  /** Continues with the item after a position that `position` returned, in this process or an earlier one. */
  restore(position: JsonValue): Promise<void>;
  /**
   * Skips the next items (of the selected variant) without creating them, because other workers or threads create
   * those. Returns how many it skipped; fewer than `items` only if the iteration would end. A running iteration
   * continues after them. Default: the items are read and dropped.
   */
  skip?(items: number): Promise<number>;
  /**
   * The run calls it when it ends, in the thread that created the dataset. The run waits at most 2 s for a separate
   * thread.
   */
  dispose?(): void;
}

/** Progress of an evaluator. */
export interface EvaluationProgress {
  /** How many of `unit` are done, and how many there are; `total` undefined: unknown. */
  readonly done: number;
  readonly total?: number;
  /** In the plural: `batches`, `steps`. */
  readonly unit: string;
  /** The part of the evaluation that `done` and `total` describe, if it has several: `BoolQ, 2 of 9`. */
  readonly part?: string;
}

/** What an evaluator is given. */
export interface EvaluationContext {
  readonly model: Model;
  readonly parameters: Parameters;
  /** Completed steps so far. */
  readonly step: number;
  readonly random: RandomStream;
  /** Aborted when the user wants to stop. A long evaluator then throws; a resumed run calls it again. */
  readonly signal?: AbortSignal;
  /**
   * Shows the user the progress of the evaluator. An evaluator that takes more than a few seconds should call it, as
   * often as it likes. Undefined if the caller does not show progress.
   */
  readonly progress?: (progress: EvaluationProgress) => void;
}

/** Measures a model and returns named numbers. */
export interface Evaluator {
  /**
   * Checks before the first step that `evaluate` can run, in particular that there is something to measure. Throws the
   * same errors as `evaluate`. Default: nothing is checked.
   */
  check?(context: Pick<EvaluationContext, 'model' | 'signal'>): Promise<void>;
  /** Measures the model and returns numbers by name. The parameters stay as they are. */
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
  /** Ids from this number on do not belong to the tokenizer: no text produces them. */
  readonly vocabularySize: number;
  /** All other ids of the vocabulary are pieces of ordinary text. Undefined: unknown. */
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
  /** Ids of the text only, without bos and eos. */
  encode(text: string): Int32Array;
  /** The text of ids. Special tokens are left out unless `keepSpecial` is set. */
  decode(ids: ArrayLike<number>, options?: { keepSpecial?: boolean }): string;
  /**
   * Whether every text may be encoded in two parts between these two characters (code points): `encode(a + b)` is
   * `encode(a)` followed by `encode(b)` whenever `a` ends with `before` and `b` begins with `after`. Long documents are
   * cut at such places and encoded in parts; a tokenizer without this method receives every document whole.
   */
  separates?(before: string, after: string): boolean;
  /**
   * The files that every checkpoint of a run keeps of the tokenizer, by name, so that a checkpoint can be used without the
   * tokenizer's source. Its component can open them again: commands give the option `path`, if there is one, the
   * checkpoint's folder. The run calls it once, in the thread that trains. Default: the files of published tokenizers in
   * the folder that the option `path` names, if any.
   */
  files?(): Promise<Readonly<Record<string, string | Uint8Array>>>;
}

/** What a component knows about the run that it works for. */
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
  /**
   * Number of completed steps from which the run was resumed. Undefined in a new run, and before the checkpoint has
   * been read.
   */
  readonly resumedFromStep?: number;
  /** The objective of the run, as the config names it, including secrets; `create` accepts it. */
  readonly trainingObjective?: ComponentSpec;
  /** How the checkpoint from which the run starts or resumes was trained: sections of its graft.json. */
  readonly recorded?: Readonly<Record<string, JsonValue>>;
  /** The effective policy, by which datasets append end tokens. Undefined if the model is unknown. */
  readonly specialTokens?: SpecialTokenPolicy;
}

/** Additional facts that trackers receive when a run begins. */
export interface TrackedRun extends RunInfo {
  /** Where and how this process works on the run. */
  readonly environment?: RunEnvironment;
  /** Number of the model's parameters. */
  readonly parameterCount?: number;
  /**
   * Returns the run's report as one HTML page, made from the files in its folder. Undefined if the program that runs it
   * does not provide one.
   */
  readonly report?: () => Promise<string>;
}

/** Sends metrics out of the process. A failing tracker never stops a run. */
export interface Tracker {
  /**
   * After a resume (`run.resumedFromStep`), the tracker again receives numbers of later steps that an earlier process
   * already logged.
   */
  start(run: TrackedRun): Promise<void>;
  /** Takes the metrics of a step and returns at once. May be called with an earlier step after a resume. */
  log(step: number, metrics: Readonly<Record<string, number>>): void;
  /** Called once at the end of a run. Resolves when everything that was logged has been sent. */
  finish(status: EndStatus): Promise<void>;
}

/** How a run ended, as run.json stores it. */
export type EndStatus = 'finished' | 'interrupted' | 'failed';

/** The argument of every hook of a callback contains this. */
export interface CallbackContext {
  readonly run: RunInfo;
  readonly model: Model;
  /** Completed steps, including those before a resume. */
  readonly step: number;
  /**
   * Ends the training as if this step were the last: the run evaluates, saves, and is finished. `reason` is one clause,
   * shown in the log and in run.json. All workers stop after the same step. A second call has no effect.
   */
  stop(reason: string): void;
}

/** Argument of `onStep`, after a step. */
export interface StepInfo extends CallbackContext {
  /** The metrics that metrics.jsonl contains for the step. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Owned by the loop: the callback must not change or dispose them. They are valid only during the call. */
  readonly parameters: Parameters;
}

/** Argument of the hook after one evaluator has finished. */
export interface EvaluationInfo extends CallbackContext {
  /** The evaluator's name in the config. */
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Argument of the hook after a checkpoint has been written. */
export interface CheckpointInfo extends CallbackContext {
  /** The checkpoint's folder. A later checkpoint may remove it (`train.keepCheckpoints`). */
  readonly folder: string;
}

/** Argument of `onEnd`. */
export interface EndInfo extends CallbackContext {
  readonly status: EndStatus;
}

/**
 * Hooks of the training loop, all optional. They may be async; the run waits for them. An error in a hook ends the run
 * with a message that names callback and hook. With several workers, only worker 0 has callbacks.
 */
export interface Callback {
  /** The run calls `onStep` after every `every`-th step and after the last one. An integer from 1. Default 1. */
  readonly every?: number;
  /** Before the first step of this process; after `restore`. */
  onStart?(context: CallbackContext): Promise<void> | void;
  /** Called after every `every`-th step and after the last one. */
  onStep?(info: StepInfo): Promise<void> | void;
  /** Called after each evaluator that ran, with its numbers. */
  onEvaluation?(info: EvaluationInfo): Promise<void> | void;
  /** Called when a checkpoint is complete on the disk. */
  onCheckpoint?(info: CheckpointInfo): Promise<void> | void;
  /** Called once, whatever ends the run. If the status is `failed`, an error that it throws is only logged. */
  onEnd?(info: EndInfo): Promise<void> | void;
  /** Plain JSON that every checkpoint stores. Default: nothing. */
  state?(): JsonValue;
  /**
   * Called before `onStart` of a resumed run, with the state in its checkpoint. Not called if the checkpoint has none
   * because the callback is new in the config.
   */
  restore?(state: JsonValue): Promise<void> | void;
}
