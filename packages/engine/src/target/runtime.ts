import type { OpAttribute } from '../kernels/attributes';

/** A tensor in a target's memory. */
export interface RuntimeTensor {
  /** TF_DataType. */
  readonly dtype: number;
  readonly shape: number[];
  /** Size of its values. */
  readonly bytes: number;
  /** The call that computes the value, while it is in a queue and nobody has waited for it. */
  readonly pending?: string;
}

/** Runs single operations, by TensorFlow's names and attributes, on tensors in a target's memory. */
export interface EagerRuntime<T extends RuntimeTensor> {
  readonly version: string;
  /** The caller owns it. */
  createTensor(shape: readonly number[], dtype: number, bytes: Uint8Array): T;
  deleteTensor(tensor: T): void;
  /** A copy of the values. Waits until they are computed. */
  readTensor(tensor: T): Uint8Array;
  /** As `readTensor`, without blocking the event loop. The tensor may be deleted meanwhile. */
  readPending(tensor: T): Promise<Uint8Array>;
  /** A separate tensor of the same value, which neither of the two changes. */
  share(tensor: T): T;
  execute(name: string, attributes: readonly OpAttribute[], inputs: readonly T[], outputCount: number): T[];
}
