import { BARRIER } from '../kernels/barrier';
import { tf } from '../tf';

/**
 * The same tensor, which a compiled function computes only after `others`. This orders parts of a computation that
 * would otherwise be in memory together, or be merged where they must be computed twice. float32 or int32.
 */
export function orderAfter(tensor: tf.Tensor, others: readonly tf.Tensor[]): tf.Tensor {
  const inputs = Object.fromEntries([tensor, ...others].map((value, i) => [i, value]));
  return (tf.engine().runKernel(BARRIER, inputs) as unknown as tf.Tensor[])[0];
}
