import type { RandomStream } from '../random/streams';
import type { Model } from './model';
import type { Parameters } from './parameters';

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
   * Names of the numbers that `evaluate` returns, so that a run that chooses by another one fails before its first step.
   * A name that ends in `*` stands for all that begin like it. Default: they are known after the first evaluation.
   */
  readonly metricNames?: readonly string[];
  /**
   * Checks before the first step that `evaluate` can run, in particular that there is something to measure. Throws the
   * same errors as `evaluate`. Default: nothing is checked.
   */
  check?(context: Pick<EvaluationContext, 'model' | 'signal'>): Promise<void>;
  /** Measures the model and returns numbers by name. The parameters stay as they are. */
  evaluate(context: EvaluationContext): Promise<Record<string, number>>;
  dispose?(): void;
}
