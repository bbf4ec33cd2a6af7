import type { StoredTensor } from '../distributed/optimizer-shards';
import type { EvaluationSink } from '../evaluation/evaluations';
import type { JsonValue, Model, Parameters } from '../interfaces';

/** What the trainer keeps beside parameters and optimizer state. */
export interface TrainerState {
  /** Steps done. With the seed it is the state of every random stream: each step's numbers are drawn from a fork of their own. */
  readonly step: number;
  readonly seed: number;
  /** Where the data stand: the position behind the last batch that was used. */
  readonly data: JsonValue;
  /** Lines of metrics.jsonl that belong to this state: one a step. */
  readonly metricsLines: number;
  /** What callbacks remember, by the name that the config gives them. */
  readonly callbacks?: Readonly<Record<string, JsonValue>>;
}

/** What a snapshot holds. */
export interface SnapshotContents {
  readonly model: Model;
  /** Files beside the weights, and beside their average, by name. Default: none. */
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
  readonly parameters: Parameters;
  readonly optimizer: Readonly<Record<string, StoredTensor>>;
  /** The moving average of the parameters; empty where none is kept. */
  readonly average?: Readonly<Record<string, StoredTensor>>;
  readonly state: TrainerState;
  /** Parameters that training changes: with them, and their moving average, no number may be other than finite. */
  readonly trained?: readonly string[];
  /** The checkpoint before this one, for the error. */
  readonly before?: string;
}

/** Takes one line of metrics after each step. */
export interface MetricsSink {
  /** Throws what kept an earlier line from being written. */
  append(line: Readonly<Record<string, number>>): void;
  /** Resolves when every line is safe. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Where a training writes: to the run's folder, of which the loop knows no more than this. */
export interface RunSink extends EvaluationSink {
  /** Folder in which a batch that broke the run is kept. */
  readonly path: string;
  /** Throws where the run has been taken away, or taken over by another process. */
  check(): Promise<void>;
  /** Removes what a killed run left half-written. */
  removeHalfWritten(): Promise<void>;
  /** The metrics after `steps` steps; lines of later ones, which a killed run left, are cut off. */
  openMetrics(steps: number): Promise<MetricsSink>;
  /** The loss of the run's first step; undefined before it, and where it was not a number. */
  firstLoss(): Promise<number | undefined>;
  /** Writes a snapshot, which appears whole, keeps the newest `keep`, and returns the path of the new one. */
  writeSnapshot(keep: number, contents: SnapshotContents): Promise<string>;
  /** Steps that a snapshot holds now. */
  update(changes: { readonly steps: number }): Promise<void>;
  /** Makes this run the one that is found first. */
  becomeLatest(): Promise<void>;
}
