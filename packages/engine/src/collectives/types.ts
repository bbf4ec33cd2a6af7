import type * as tf from '@tensorflow/tfjs-core';

/** JSON that workers send to each other. */
export type Message =
  null | boolean | number | string | readonly Message[] | { readonly [key: string]: Message | undefined };

/** The shape and dtype of a tensor that another worker has. A tensor is one too. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | tf.DataType;
}

/** How a worker finds and trusts its group. */
export interface JoinOptions {
  /** `host:port` of every worker, in the order of their ranks, the same list for all. */
  readonly workers: readonly string[];
  /** This process's index in that list. */
  readonly rank: number;
  /**
   * A secret that only the workers of the group know, at least 16 bytes: the group drops connections that do not prove
   * it. It is never sent.
   */
  readonly secret: string | Uint8Array;
  /**
   * All workers are processes of this machine and of one user: tensors go through memory that they share, and no port
   * is open for them. Otherwise TensorFlow's collective operations send them over gRPC. Default: false.
   */
  readonly local?: boolean;
  /**
   * Consents to TensorFlow's server, which workers on several hosts need: it listens on every interface, and neither
   * encrypts nor authenticates. Default: false, which rejects such a group.
   */
  readonly insecureNetwork?: boolean;
  /** How long to wait for the others to join. Default 300 s. */
  readonly timeoutMs?: number;
  /**
   * Bytes that are sent together. Over gRPC small tensors are concatenated up to this size, 16 MiB by default; through
   * shared memory all tensors go in pieces of this size, 1 MiB by default.
   */
  readonly bucketBytes?: number;
  /** Aborting it ends the wait for the others, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Processes that work together. Every worker makes the same calls in the same order; a call resolves when the others
 * have made theirs. Once a worker is gone, every call throws WorkersError with a sentence that explains which one and
 * why.
 */
export interface WorkerGroup {
  readonly rank: number;
  readonly count: number;
  readonly addresses: readonly string[];
  /** Aborted, with the WorkersError, once a worker is gone. */
  readonly lost: AbortSignal;
  /**
   * The values of all workers, in the order of ranks. Sends JSON through the control channel, which is not made for
   * tensors. Also a barrier.
   */
  exchange<T>(value: T): Promise<T[]>;
  /** Sums over all workers. Takes ownership of the float32 tensors, and returns new ones of the same shapes. */
  sum(tensors: readonly tf.Tensor[]): Promise<tf.Tensor[]>;
  /**
   * At `from`, `tensors` are the tensors to send, which are returned and stay valid; elsewhere they are their specs,
   * and the call returns new tensors with the values.
   */
  broadcast<T extends TensorSpec>(tensors: readonly T[], from: number): Promise<tf.Tensor[]>;
  /** Sends to one worker, which calls `receive`. The tensor stays valid. */
  send(tensor: tf.Tensor, to: number): Promise<void>;
  /** A tensor that worker `from` sends with `send`. The caller owns it. */
  receive(spec: TensorSpec, from: number): Promise<tf.Tensor>;
  /** Reports to the others why this worker cannot continue: they stop with that sentence. Then leaves. */
  fail(reason: string): Promise<void>;
  /** Ends this worker's part. Notifies workers that still wait for it. */
  leave(): Promise<void>;
}

/** How processes come together. */
export interface Collectives {
  /**
   * Waits for the other workers. Without `local`, call it once per process, before making tensors. Throws WorkersError
   * naming the address that is missing, in use, out of range, or runs another version; UsageError if the secret or the
   * consent to an insecure network is missing.
   */
  join(options: JoinOptions): Promise<WorkerGroup>;
}
