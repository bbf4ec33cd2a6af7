import type { Engine, tf } from '@graft/engine';
import type { RandomStream } from '../random/streams';
import type { BatchTensors, FieldSpec, HostFields } from './batch';
import type { JsonValue } from './json';
import type { Model } from './model';
import type { Parameters } from './parameters';
import type { RunInfo } from './run-info';
import type { SideTokenizers, TokenizerFacts } from './tokenizer';

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
  /** Tokenizer facts of the dataset that yields the examples, if known; with two tokenizers the decoder's. */
  readonly tokenizer?: TokenizerFacts;
  /**
   * The tokenizers of the two sides, if they are two: `source` consists of the encoder's ids, `target` and `tokens` of
   * the decoder's. What the encoder reads of `tokens` is encoded again (`SideText`). Default: one encodes everything.
   */
  readonly tokenizers?: SideTokenizers;
}

/** The inputs of an objective's `settle`. */
export interface SettleContext extends Pick<ObjectiveContext, 'model' | 'tokenizer' | 'tokenizers'> {
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

/** What an objective is given before a step, to compute with the model as it then is. */
export interface SampleContext {
  readonly engine: Engine;
  readonly model: Model;
  /** float32, before the step changes them. Only lent. */
  readonly parameters: Parameters;
  /** Completed steps before this one. */
  readonly step: number;
  /** The variant that `variantAt` returned for this step. */
  readonly variant?: string;
  /** Differs for every step, and is the same after a resume and in all workers. */
  readonly random: RandomStream;
  /** Which worker's rows of the batch these are, from 0. */
  readonly rank: number;
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
  /** Tokens whose logits are in memory together, for estimates. Default: all of a batch. */
  readonly chunkTokens?: number;
  /** Targets that a step of a variant computes for each row of a batch, for estimates. Default: 1. */
  targetsPerRow?(variant?: string): number;
  /** Fields of the batch that `prepare` returns and `loss` receives. */
  readonly batchFields: readonly FieldSpec[];
  /**
   * Pads, shifts right and makes masks, on the host. No other code shifts to the right. Throws DataError for examples
   * or ready batches that the objective cannot use; data/batch-checks.ts lists which check covers what.
   */
  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields;
  /**
   * Replaces a prepared batch by one in which the model has written something itself, before the step that learns from
   * it. Returns fields as `batchFields` declares them. Everything random comes from the context. Default: a batch stays
   * as it was prepared, and the next one is uploaded while a step computes.
   */
  sample?(batch: HostFields, context: SampleContext): Promise<HostFields>;
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
