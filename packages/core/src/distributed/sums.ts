import type { tf } from '@graft/engine';
import type { Parameters } from '../interfaces';

/** Sums over micro-batches or workers: of weighted gradients and metrics, and of the weights. */
export interface Sums {
  readonly gradients: Parameters;
  /** float32 [3 and more]: the weight; the loss and the metrics times the weight; counts unweighted. */
  readonly numbers: tf.Tensor1D;
  /** Names of the numbers after the loss; those from `counts` on are counts. */
  readonly names: readonly string[];
  readonly counts: number;
}

/**
 * Adds the sums of other workers to a worker's sums. It takes ownership of them, and returns tensors that the caller
 * owns.
 */
export type Reduce = (sums: Sums) => Promise<Sums>;
