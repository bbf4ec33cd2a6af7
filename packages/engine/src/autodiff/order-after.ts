import { BARRIER } from '../kernels/barrier';
import { isTracedForXla } from '../precision';
import { tf } from '../tf';

/**
 * The same tensor, which a compiled function computes only after `others`. This orders parts of a computation that
 * would otherwise be in memory together, or be merged where they must be computed twice. float32 or int32.
 */
export function orderAfter(tensor: tf.Tensor, others: readonly tf.Tensor[]): tf.Tensor {
  if (!isTracedForXla()) {
    const inputs = Object.fromEntries([tensor, ...others].map((value, i) => [i, value]));
    return (tf.engine().runKernel(BARRIER, inputs) as unknown as tf.Tensor[])[0];
  }
  // XLA's CPU compiler forgets optimization barriers before it decides on an order. It may not fold 0 * x to 0, since x
  // may be non-finite, so the dependency survives; if x is non-finite, nothing else is finite either.
  const firsts = others
    .filter(({ size }) => size > 0)
    .map((other) => tf.cast(tf.slice(tf.reshape(other, [-1]), 0, 1), 'float32'));
  if (firsts.length === 0) return tensor.clone();
  return tf.add(tensor, tf.cast(tf.mul(tf.addN(firsts).asScalar(), 0), tensor.dtype));
}
