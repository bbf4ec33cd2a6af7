import type { ComponentFactory, Logger, Optimizer, Parameters, RunInfo, Schedule, Tokenizer } from '@graft/core';
import type { Engine } from '@graft/engine';
import type { EpochResult, TrialRun } from './epochs';

/** What the evaluator works with. */
export interface Parts {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly logger: Logger;
  /** Creates what depends on the model: the objective of mode `leaderboard`. */
  readonly components: ComponentFactory;
  readonly run?: RunInfo;
}

/** A task whose rows have been read, to be fine-tuned on and scored. */
export interface OpenTask {
  readonly id: string;
  /** Examples of the validation set. */
  readonly val: number;
  /** How much is trained on and validated with, for the log: `2490 + 277`. */
  readonly size: string;
  /** The score that chooses trial and epoch. */
  readonly selectBy: string;
  /** What determines a trial's numbers and answers besides the protocol's own conditions. Default: nothing. */
  readonly conditions?: object;
  /** Whether it counts for the mean. */
  readonly inMean: boolean;
  /** The accuracy of always predicting the most frequent class. Undefined: there are no classes. */
  readonly majority?: number;
  /** Trains a copy of the parameters, and yields the numbers of every epoch. */
  fineTune(start: Parameters, run: TrialRun): AsyncGenerator<EpochResult, undefined>;
  /**
   * What follows from the epochs that count, one of each seed, of which the first is that of the grid: further numbers,
   * by name. Writes what the run's folder gets. Default: nothing.
   */
  finish?(epochs: readonly EpochResult[]): Promise<Record<string, number>>;
}

/** How the evaluator fine-tunes and scores one model. */
export interface Protocol {
  /** The score that is reported with its interval, and whose mean is reported: `accuracy`. */
  readonly headline: string;
  /** Whether a head reads a state, from which `dropouts` drop numbers. */
  readonly hasHead: boolean;
  /** Tasks in their order. */
  readonly tasks: readonly string[];
  /** Tasks that the benchmark's mean has. */
  readonly meanOf: number;
  /** What determines a trial's numbers besides the trial, the task and the model's parameters. In a fixed order. */
  readonly conditions: object;
  /** Reads every file before the first step, so that a missing file is not discovered after hours. */
  check(): Promise<void>;
  open(id: string): Promise<OpenTask>;
  dispose(): void;
}
