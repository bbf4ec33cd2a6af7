import type { ComponentSpec } from './component-spec';
import type { tf } from '@graft/engine';
import type { BatchTensors, FieldSpec, HostFields } from './batch';
import type { Model, Parameters, SpecialTokenPolicy } from './model';
import type { RandomStream } from '../random/streams';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Builds models of one family. The config's `model:` section holds its options (presets, sizes, switches). */
export interface ModelFamily {
  /** `checkpointConfig`: a Hugging Face config.json that the initializer brings; the options override it field by field. */
  build(checkpointConfig?: Record<string, unknown>, settings?: ModelSettings): Model;
}

/** What a run asks of a model beside its family's options. */
export interface ModelSettings {
  /** To be kept as `specialTokens.policy`: what the config says over what the checkpoint says. Default: the checkpoint's. */
  readonly specialTokens?: SpecialTokenPolicy;
  /** The checkpoint's generation_config.json, to be kept as `generationConfig` of the model. */
  readonly generationConfig?: Record<string, unknown>;
}

/** Gives a model its parameters: mapped from checkpoints, random, or loaded. Streams; never holds two models. */
export interface Initializer {
  /** The config.json that the parameters dictate; undefined when the config's `model:` section alone decides. */
  checkpointConfig(): Promise<Record<string, unknown> | undefined>;
  /** The generation_config.json that goes with the parameters. Default: none. */
  generationConfig?(): Promise<Record<string, unknown> | undefined>;
  /** Yields every parameter of the model once, in any order. The consumer owns the tensors. */
  parameters(model: Model, random: RandomStream): AsyncIterable<readonly [name: string, value: tf.Tensor]>;
}

/** What an Objective is given for one step: single sequences to be collated, or a batch that is ready. */
export type ObjectiveSource =
  | { readonly kind: 'examples'; readonly examples: readonly HostFields[] }
  | { readonly kind: 'batch'; readonly batch: HostFields };

export interface ObjectiveContext {
  /** Steps done before this one; undefined in an evaluation. */
  readonly step?: number;
  /** What `variantAt` said for this step. */
  readonly variant?: string;
  /** Differs for every step and is the same after a resume. For draws of one example see `exampleRandom`. */
  readonly random: RandomStream;
  /** Place of the first example in the whole batch, of which other workers may have other parts. Default 0. */
  readonly firstExample?: number;
  /** Whether the examples are one worker's part of a batch, which may be without a label that counts. Default: the whole. */
  readonly partOfBatch?: boolean;
  readonly model: Model;
  /** Of the dataset that the examples come from, where it tells. */
  readonly tokenizer?: TokenizerFacts;
}

/** What an objective settles by. */
export interface SettleContext extends Pick<ObjectiveContext, 'model' | 'tokenizer'> {
  /** For a part of an objective: what of `RunInfo.recorded` is its own. Default: all. */
  readonly recorded?: RunInfo['recorded'];
}

/** What an objective settled before the first step. */
export interface Settled {
  /** Sentences for the log: what it chose. */
  readonly notes: readonly string[];
  /** Sentences on what should not go unseen. */
  readonly warnings: readonly string[];
  /** What whoever uses the parameters later must know: sections of the graft.json beside them. A run that begins with them finds it in `RunInfo.recorded`. */
  readonly record: Readonly<Record<string, JsonValue>>;
}

export interface LossOutput {
  /** Scalar, float32. */
  loss: tf.Scalar;
  /** What the loss is a mean over (labels that count), float32 scalar: micro-batches and workers are weighted by it. Default 1. */
  weight?: tf.Scalar;
  /** Scalars to log beside it: means like the loss. */
  metrics?: Record<string, tf.Scalar>;
  /** Scalars to log that are counts: micro-batches and workers are summed. */
  sums?: Record<string, tf.Scalar>;
}

/** Turns token sequences into model inputs (on the host), and model outputs into a loss and metrics (inside the compiled step). */
export interface Objective {
  /** The kind of model that it trains. Default: any. */
  readonly modelKind?: Model['kind'];
  /**
   * Everything that `variantAt` may say, where that is known: each is checked against the data, and evaluated for itself. `a` of
   * a part whose own variants, `a/low`, are not known.
   */
  readonly variants?: readonly string[];
  /**
   * Chooses what depends on model and tokenizer. The run calls it before the first step; where nobody does, `prepare` has to.
   * Throws DataError where options, model and tokenizer do not go together.
   */
  settle?(context: SettleContext): Settled;
  /** Fields wanted of each example or of a ready batch; undefined: that kind of source is not taken. */
  inputFields(kind: ObjectiveSource['kind'], variant?: string): readonly FieldSpec[] | undefined;
  /** Fields of the batch that `prepare` returns and `loss` gets. */
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
   * Which of several losses a step takes, for objectives that change from step to step: each variant is compiled for itself,
   * and `prepare` and `loss` receive it. `step`: steps done before. A function of its arguments alone.
   */
  variantAt?(step: number, random: RandomStream): string | undefined;
  /**
   * Tokens that it wants of an example, by its place in the whole batch, where the dataset cuts a text to order (`Dataset.cut`). Undefined:
   * as the dataset gives it. A function of its arguments alone; `random` is that of `prepare`.
   */
  exampleTokens?(context: Pick<ObjectiveContext, 'model' | 'random' | 'variant'>, index: number): number | undefined;
  /**
   * Tokens of a prepared batch that count for tokens/s (encoder and decoder positions). `variant`: the one that `prepare` got.
   * Default: all ids.
   */
  countTokens?(batch: HostFields, variant?: string): number;
  /**
   * Digests of what it reads from disk beside the data, by what that is ("the teacher /models/2b"): several workers compare them
   * before the first step. Default: nothing.
   */
  fileDigests?(): Promise<Readonly<Record<string, string>>>;
  /** Frees what the objective owns (a teacher's parameters). The run calls it at its end. */
  dispose?(): void;
}

/** Tensors by name, e.g. `adamw.m/<parameter>`. Keyed by parameter name, never by position. */
export type OptimizerState = Record<string, tf.Tensor>;

export interface OptimizerUpdate {
  readonly gradients: Parameters;
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Steps of these parameters before this one, skipped ones included, float32 scalar. */
  readonly step: tf.Scalar;
  /** Learning rate of this step, float32 scalar: the base rate times the schedule's factor. */
  readonly learningRate: tf.Scalar;
  /** Global L2 norm of the gradients before clipping, float32 scalar. */
  readonly gradientNorm: tf.Scalar;
  /** What the weight decay of these parameters is multiplied by. Default 1. */
  readonly weightDecayFactor?: number;
}

/** Turns gradients into new parameters and state. Pure, so that it is compiled into the step. */
export interface Optimizer {
  /** Base learning rate that a Schedule scales: a finite number >= 0. */
  readonly learningRate: number;
  /**
   * The state before the first step: float32 or int32 tensors by name, which the run takes over. In a `tf.tidy` of the run's;
   * not async. What belongs to one parameter has a name that ends in `/<parameter>`.
   */
  init(parameters: Parameters): OptimizerState;
  update(arguments_: OptimizerUpdate): { parameters: Parameters; state: OptimizerState };
}

/** Scales the learning rate by step. */
export interface Schedule {
  /** `step`: steps done before this one, from 0; `totalSteps`: of the run. Returns a finite factor >= 0, usually <= 1. */
  factor(step: number, totalSteps: number): number;
}

/** An async-iterable of examples whose position can be saved and restored exactly. */
export interface Dataset extends AsyncIterable<HostFields> {
  /** `examples`: one sequence an item, batched by the Objective; `batch`: an item is a ready batch. */
  readonly kind: ObjectiveSource['kind'];
  readonly fields: readonly FieldSpec[];
  /** What is known of the tokenizer that made the items' ids. Default: nothing. */
  readonly tokenizer?: TokenizerFacts;
  /** Items in one pass, where known. */
  readonly length?: number;
  /** Variants of the objective that some of the items are for alone; `a` stands for `a/low` and all others of that part. */
  readonly variants?: readonly string[];
  /**
   * Turns to the items for a variant of the objective, before those of a batch are read; gives their fields. Throws
   * DataError where there are none.
   */
  select?(variant: string | undefined): readonly FieldSpec[];
  /**
   * Tokens of the items from here on, until the next call, of a text that can be cut anywhere; undefined: as its options
   * say. Default: items are as long as they are.
   */
  cut?(tokens: number | undefined): void;
  /** Where the next item comes from, in plain JSON: a checkpoint keeps it, and `restore` gets it back. */
  position(): JsonValue;
  restore(position: JsonValue): Promise<void>;
  /**
   * Passes over the next items (for the variant that is selected) without making them: other workers and threads make those. Returns how many; fewer only where
   * iteration would end. An iteration under way goes on behind them. Default: they are read and dropped.
   */
  skip?(items: number): Promise<number>;
  /**
   * The run calls it at its end, in the thread that the dataset was made in. A thread of its own is not waited for longer
   * than 2 s.
   */
  dispose?(): void;
}

export interface EvaluationContext {
  readonly model: Model;
  readonly parameters: Parameters;
  /** Steps done so far. */
  readonly step: number;
  readonly random: RandomStream;
  /** Aborted when the user wants to stop. An evaluator that takes long throws then, and owes its numbers. */
  readonly signal?: AbortSignal;
}

/** Measures a model on something and returns named numbers. */
export interface Evaluator {
  evaluate(context: EvaluationContext): Promise<Record<string, number>>;
  dispose?(): void;
}

/** A token that is not a piece of ordinary text, and what it is called. */
export interface NamedToken {
  readonly id: number;
  /** As configs and tokenizer files write it: `<eos>`, `<unused7>`. */
  readonly token: string;
  /**
   * `special`: starts, ends, pads or marks text. `unused`: kept free, without a meaning yet. `added`: found in text as a whole
   * where text contains it, before anything else is: `<table>`, a run of line breaks.
   */
  readonly kind: 'special' | 'unused' | 'added';
}

/** What is known of a tokenizer's ids without the tokenizer: plain data, which can pass between threads. */
export interface TokenizerFacts {
  /** Ids from here on are not the tokenizer's: no text gives them. */
  readonly vocabularySize: number;
  /** Every other id of the vocabulary is a piece of text. Undefined: not known. */
  readonly namedTokens?: readonly NamedToken[];
  /** Its special tokens, where known: a run warns of those that are not the model's. */
  readonly padId?: number;
  readonly bosId?: number;
  readonly eosId?: number;
}

export interface Tokenizer extends TokenizerFacts {
  readonly vocabularySize: number;
  readonly padId: number;
  readonly bosId: number;
  readonly eosId: number;
  /** Ids of the text alone: no bos, no eos. */
  encode(text: string): Int32Array;
  decode(ids: ArrayLike<number>, options?: { keepSpecial?: boolean }): string;
  /**
   * Whether every text may be encoded in two parts between these two characters (code points): `encode(a + b)` is `encode(a)`
   * and `encode(b)` behind it whenever `a` ends with `before` and `b` begins with `after`. Long documents are read in parts cut
   * there; a tokenizer without this method gets every document whole.
   */
  separates?(before: string, after: string): boolean;
}

export interface RunInfo {
  readonly name: string;
  readonly id: string;
  readonly folder: string;
  /** To be recorded; components get what they depend on from the fields below. */
  readonly config: JsonValue;
  /** Id of the model's family, as the config names it. */
  readonly modelFamily?: string;
  /** Steps that the run trains in all. */
  readonly totalSteps?: number;
  /** The objective that the run trains, as the config names it; `create` takes it, secrets included. */
  readonly trainingObjective?: ComponentSpec;
  /** What the checkpoint that it begins with, or goes on from, says of how it was trained: sections of its graft.json. */
  readonly recorded?: Readonly<Record<string, JsonValue>>;
  /** In force: data sets end texts by it. Undefined where no model is known. */
  readonly specialTokens?: SpecialTokenPolicy;
}

/** Carries metrics out of the process. One that fails never stops a run. */
export interface Tracker {
  start(run: RunInfo): Promise<void>;
  log(step: number, metrics: Readonly<Record<string, number>>): void;
  finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void>;
}

export interface StepInfo {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly parameters: Parameters;
  readonly run: RunInfo;
}

/** Called by the training loop at its joints. */
export interface Callback {
  onStart?(run: RunInfo): Promise<void> | void;
  onStep?(info: StepInfo): Promise<void> | void;
  onFinish?(run: RunInfo): Promise<void> | void;
}
