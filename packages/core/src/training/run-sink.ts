import type { TensorSource } from '@graft/checkpoint';
import type { StoredTensor } from '../distributed/optimizer-shards';
import type { EvaluationSink } from '../evaluation/evaluations';
import type { JsonValue, Model, Parameters } from '../interfaces';

/** The trainer's state in addition to parameters and optimizer state. */
export interface TrainerState {
  /** Steps done. With the seed this is the state of every random stream: each step draws from its own fork. */
  readonly step: number;
  readonly seed: number;
  /** The position of the data: after the last used batch. */
  readonly data: JsonValue;
  /** Lines of metrics.jsonl that belong to this state: one for each step. */
  readonly metricsLines: number;
  /** The states of callbacks, by their names in the config. */
  readonly callbacks?: Readonly<Record<string, JsonValue>>;
  /** Digest of the frozen weights under `train.lora`, which the checkpoint does not contain. */
  readonly frozenDigest?: string;
}

/** The contents of a snapshot. */
export interface SnapshotContents {
  readonly model: Model;
  /** Files next to the weights, and next to their average, by name. Default: none. */
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
  /** Tensors that no parameter reads, and their average's too. Default: none. */
  readonly carried?: readonly TensorSource[];
  /** Under `train.lora`: the checkpoint whose weights are frozen, for whoever loads the adapter. Default: unknown. */
  readonly baseModel?: string;
  readonly parameters: Parameters;
  readonly optimizer: Readonly<Record<string, StoredTensor>>;
  /** The moving average of the parameters; empty if there is none. */
  readonly average?: Readonly<Record<string, StoredTensor>>;
  readonly state: TrainerState;
  /**
   * Parameters that training changes: neither they nor their moving average may contain numbers that are not finite.
   */
  readonly trained?: readonly string[];
  /** The checkpoint before this one, for the error. */
  readonly before?: string;
}

/** Which checkpoints a run keeps. */
export interface KeptCheckpoints {
  /** Number of the newest ones. */
  readonly newest: number;
  /** The step of the best one, which is kept beside them. Default: none. */
  readonly best?: number;
}

/** The best checkpoint of a run, as run.json records it. */
export interface BestCheckpoint {
  readonly step: number;
  /** Evaluator and metric: `loss/loss`. */
  readonly metric: string;
  readonly value: number;
}

/** Receives one line of metrics after each step. */
export interface MetricsSink {
  /** Throws the error that kept an earlier line from being written. */
  append(line: Readonly<Record<string, number>>): void;
  /** Resolves when every line is on the disk. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Where a training writes: to the run's folder, of which the loop knows only this interface. */
export interface RunSink extends EvaluationSink {
  /** Folder for a batch that broke the run. */
  readonly path: string;
  /** Throws if the run's folder is gone, or if another process has claimed it. */
  check(): Promise<void>;
  /** Removes what a killed run left half-written. */
  removeHalfWritten(): Promise<void>;
  /** The metrics after `steps` steps; cuts off later lines, which a killed run left. */
  openMetrics(steps: number): Promise<MetricsSink>;
  /** The loss of the run's first step; undefined before that step, and if the loss was not a number. */
  firstLoss(): Promise<number | undefined>;
  /** The steps of all snapshots. */
  snapshotSteps(): Promise<number[]>;
  /** Writes a snapshot, which appears only once it is complete, removes those not to keep, and returns its path. */
  writeSnapshot(keep: KeptCheckpoints, contents: SnapshotContents): Promise<string>;
  /** Records which snapshot is the best one, and removes those not to keep beside it. */
  keepBest(newest: number, best: BestCheckpoint): Promise<void>;
  /** Records the step of the newest snapshot. */
  update(changes: { readonly steps: number }): Promise<void>;
  /** Makes this run the one that `latest` names. */
  becomeLatest(): Promise<void>;
}
