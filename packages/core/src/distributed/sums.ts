import type { tf } from '@graft/engine';
import type { Parameters } from '../interfaces';

/** Sums over micro-batches, or over workers: of weighted gradients and numbers, and of the weights. */
export interface Sums {
  readonly gradients: Parameters;
  /** float32 [3 and more]: the weight; the loss and the metrics times the weight; counts as they are. */
  readonly numbers: tf.Tensor1D;
  /** Names of the numbers behind the loss; those from `counts` on are counts. */
  readonly names: readonly string[];
  readonly counts: number;
}

/** Adds what other workers have to a worker's sums. It takes them over, and returns tensors of the caller's. */
export type Reduce = (sums: Sums) => Promise<Sums>;
