import type { tf, WorkerGroup } from '@graft/engine';
import type { BatchTensors, OptimizerState, Parameters } from '../interfaces';
import type { ShardSpec, StoredTensor } from './optimizer-shards';
import type { Reduce } from './sums';

/** The tensors that a run trains: parameters, the optimizer's state, and their moving average, which may be empty. */
export interface PlacedState {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  readonly average: Parameters;
}

/** A snapshot from which a run resumes. */
export interface SavedState {
  /** The optimizer's state, of which the `fresh` one says names and types; it is disposed. */
  state(fresh: OptimizerState): Promise<OptimizerState>;
  average(): Promise<Parameters>;
  /** Reads tensor by tensor; `scatter` says whether to keep each. */
  scattered(
    what: 'optimizer' | 'average',
    specs: readonly ShardSpec[],
    scatter: (spec: ShardSpec, tensor: tf.Tensor) => Promise<boolean>,
  ): Promise<Record<string, tf.Tensor>>;
}

/** What a checkpoint stores besides the parameters. */
export interface StoredState {
  readonly optimizer: Readonly<Record<string, StoredTensor>>;
  readonly average: Readonly<Record<string, StoredTensor>>;
}

/** The evaluation of parameters that several processes may have in parts. */
export interface AverageUse {
  /** Whether it is due; only the process that evaluates knows. */
  readonly isDue: () => boolean;
  readonly evaluate: (parameters: Parameters) => Promise<void>;
}

/** How a step is computed in parts. */
export interface StepPlacement {
  /** Sums gradients and metrics over processes. Undefined: this process computes the whole batch. */
  readonly reduce?: Reduce;
  /** The entries of the parameters that this process updates, from values by parameter name. */
  own<T>(byParameter: Readonly<Record<string, T>>): Readonly<Record<string, T>>;
  /**
   * All parameters after an update of `own` ones, of which the step has `changed` some. Takes ownership of both.
   */
  updated(before: Parameters, own: Parameters, changed: readonly string[]): Promise<Parameters>;
  /** Calls a forward and backward pass, whose activations the placement may split. Traceable. */
  pass<T>(compute: () => T): T;
  /** Gradients by parameter name, where the update reads them. Traceable. */
  gradients(gradients: Parameters): Parameters;
}

/**
 * Where the tensors of a training are, and who computes what: on one device, in processes that share the work, or over the
 * devices of a mesh. The loop, the step and the start of a run ask it, and do not know which of these it is.
 */
export interface Placement extends StepPlacement {
  /** The processes that train together. Undefined: this one alone. */
  readonly group?: WorkerGroup;
  /** The part of each batch that this process computes. Undefined: all of it. */
  readonly slice?: { readonly rank: number; readonly count: number };
  /** Whether this process can write a checkpoint without the others. */
  readonly savesAlone: boolean;

  /** Places one of a run's parameters as soon as it is there, so that no device has to hold all of them. */
  place(name: string, value: tf.Tensor): Promise<void>;
  /** A run's parameters, from those that this process has read: undefined where another one has. Takes ownership. */
  parameters(read: Parameters | undefined): Promise<Parameters>;
  /** The optimizer's state at the first step. Takes ownership of the `fresh` one. */
  newState(fresh: OptimizerState): Promise<OptimizerState>;
  /** The state of a snapshot, which is undefined in processes that get it from another. Takes ownership. */
  savedState(fresh: OptimizerState, saved: SavedState | undefined): Promise<OptimizerState>;
  /** The moving average at its first step, which is equal to the parameters. */
  newAverage(parameters: Parameters): Promise<Parameters>;
  /** The moving average of a snapshot. */
  savedAverage(saved: SavedState | undefined): Promise<Parameters>;
  /** Where they are, for the log: a part of a sentence. Undefined: all in one place. */
  describe(state: PlacedState): string | undefined;

  /** Places a batch's fields. */
  batch(fields: BatchTensors): Promise<void>;

  /** In the process that writes: what a checkpoint stores. The others send their parts meanwhile, and get undefined. */
  stored(state: PlacedState, writes: boolean): Promise<StoredState | undefined>;
  /** Calls `evaluate` with the whole moving average in the process that evaluates; the others send their parts. */
  withAverage(average: Parameters, use: AverageUse): Promise<void>;
}
