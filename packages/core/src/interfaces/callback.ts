import type { JsonValue } from './json';
import type { Model } from './model';
import type { Parameters } from './parameters';
import type { RunInfo } from './run-info';

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
