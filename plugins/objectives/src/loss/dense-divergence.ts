/** Shapes: N labels, V vocabulary. */
import { tf, withGradient, withoutGradient } from '@graft/engine';

/**
 * Sum of `weights` [N] times KL(teacher || student). Both logits [N, V] are already divided by the temperature; only
 * the student's get a gradient. Traceable.
 *
 * The gradient, softmax(student) - softmax(teacher), is written by hand: it keeps two temporaries of the logits' size,
 * and automatic differentiation five.
 *
 *     teacher ln [0.5, 0.25, 0.25], student 0 for each   ->   0.5 ln(0.5 / (1/3)) + 0.5 ln(0.25 / (1/3))
 */
export function denseDivergence(logits: tf.Tensor2D, teacher: tf.Tensor2D, weights: tf.Tensor1D): tf.Scalar {
  const own = withoutGradient(() => softmaxParts(teacher));
  return withGradient<[tf.Tensor]>((save, x) => {
    const { shifted, exponentials, total, logTotal } = softmaxParts(x as tf.Tensor2D);
    const distance = tf.sum(tf.mul(own.probabilities(), tf.sub(own.shifted, shifted)), 1); // [N]
    const divergences = tf.add(tf.sub(distance, own.logTotal), logTotal); // [N]
    save([exponentials, total, own.exponentials, own.total, weights]);
    return {
      value: tf.sum(tf.mul(divergences, weights)),
      gradients: (dy, [e, sums, taught, taughtSums, w]) => {
        const scale = tf.mul(w, dy); // [N]
        const share = (of: tf.Tensor, all: tf.Tensor): tf.Tensor => tf.mul(of, tf.div(scale, all).expandDims(1)); // [N, V]
        return [tf.sub(share(e, sums), share(taught, taughtSums))];
      },
    };
  })(logits) as tf.Scalar;
}

/** Sum of `weights` [N] times the entropy, in nats, of the distributions of logits [N, V]. */
export function denseEntropy(logits: tf.Tensor2D, weights: tf.Tensor1D): tf.Scalar {
  const { shifted, probabilities, logTotal } = softmaxParts(logits);
  const entropies = tf.sub(logTotal, tf.sum(tf.mul(probabilities(), shifted), 1)); // [N]
  return tf.sum(tf.mul(entropies, weights));
}

function softmaxParts(x: tf.Tensor2D) {
  const shifted = tf.sub(x, tf.max(x, 1, true)); // [N, V]
  const exponentials = tf.exp(shifted);
  const total = tf.sum(exponentials, 1); // [N]
  const probabilities = (): tf.Tensor => tf.div(exponentials, total.expandDims(1)); // [N, V]
  return { shifted, exponentials, total, logTotal: tf.log(total), probabilities };
}
