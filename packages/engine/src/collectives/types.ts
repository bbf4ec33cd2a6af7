import type * as tf from '@tensorflow/tfjs-core';

/** JSON that workers tell each other. */
export type Message =
  null | boolean | number | string | readonly Message[] | { readonly [key: string]: Message | undefined };

/** What is known of a tensor that another worker has. A tensor is one of its own. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | tf.DataType;
}

export interface JoinOptions {
  /** `host:port` of every worker, in the order of their ranks, the same list for all. */
  readonly workers: readonly string[];
  /** This process's place in that list. */
  readonly rank: number;
  /**
   * What all workers of the group know and nobody else, at least 16 bytes: connections that do not prove it are dropped. It is
   * never sent.
   */
  readonly secret: string | Uint8Array;
  /**
   * All workers are processes of this machine and of one user: tensors go through memory that they share, and nobody listens for
   * them. Otherwise they go by TensorFlow's collective operations, over gRPC. Default: false.
   */
  readonly local?: boolean;
  /**
   * Agrees to TensorFlow's server, which workers on several hosts need: it listens on every interface, and neither encrypts nor
   * authenticates. Default: false, and such a group is refused.
   */
  readonly insecureNetwork?: boolean;
  /** How long the others may take to come. Default 300 s. */
  readonly timeoutMs?: number;
  /**
   * Bytes that travel together. Over gRPC small tensors are concatenated up to this size, 16 MiB by default; through shared memory
   * all tensors go in pieces of this size, 1 MiB by default.
   */
  readonly bucketBytes?: number;
  /** Aborting it ends the wait for the others, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Processes that work together. Every worker makes the same calls in the same order; a call resolves when the others have made
 * theirs. Once a worker is gone, every call throws WorkersError with the sentence that says which and why.
 */
export interface WorkerGroup {
  readonly rank: number;
  readonly count: number;
  readonly addresses: readonly string[];
  /** Aborted, with the WorkersError, once a worker is gone. */
  readonly lost: AbortSignal;
  /** Everybody's value, in the order of ranks. It travels as JSON, by the channel that is not made for tensors. Also a barrier. */
  exchange<T>(value: T): Promise<T[]>;
  /** Sums over all workers. Takes the float32 tensors over, and returns new ones of the same shapes. */
  sum(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]>;
  /** At `from` tensors, which stay and are returned; elsewhere what they are, and new tensors with their values are returned. */
  broadcast<T extends TensorSpec>(tensors: readonly T[], from: number): Promise<tf.Tensor[]>;
  /** To one worker, which calls `receive`. The tensor stays. */
  send(tensor: tf.Tensor, to: number): Promise<void>;
  receive(spec: TensorSpec, from: number): Promise<tf.Tensor>;
  /** Tells the others why this worker cannot go on: they stop with that sentence. Then leaves. */
  fail(reason: string): Promise<void>;
  /** Ends this worker's part. Others that still want something from it are notified. */
  leave(): Promise<void>;
}

/** How processes come together. */
export interface Collectives {
  /**
   * Waits for the other workers. Where they are not local, once a process, before it makes tensors. Throws WorkersError naming the
   * address that is missing, in use, out of range, or run by another version; UsageError where the secret or the consent to an insecure network
   * is missing.
   */
  join(options: JoinOptions): Promise<WorkerGroup>;
}
