/** Shapes: N labels, V vocabulary, K of its tokens. */
import { tf, withGradient } from '@graft/engine';

/** A teacher's distribution, of which K tokens are known, and the total probability of all others. */
export interface TopK {
  /** int32 [N, K], no token twice. */
  readonly tokens: tf.Tensor2D;
  /** float32 [N, K]. Together with the rest, the probabilities sum to 1 up to rounding, which is corrected here. */
  readonly logProbabilities: tf.Tensor2D;
  /** float32 [N]: logarithm of the total probability of all other tokens; very negative if it is 0. */
  readonly logRest: tf.Tensor1D;
}

/** A negligible probability whose logarithm is finite. */
const LEAST = 1e-37;

const logOf = (x: tf.Tensor): tf.Tensor => tf.log(tf.maximum(x, LEAST));

/** Normalized probabilities of the K + 1 outcomes, [N, K] and [N], and their entropies [N] in nats. */
function outcomesOf(teacher: TopK): { p: tf.Tensor; pRest: tf.Tensor; entropies: tf.Tensor } {
  const likely = tf.exp(teacher.logProbabilities); // [N, K]
  const rest = tf.exp(teacher.logRest); // [N]
  const all = tf.add(tf.sum(likely, 1), rest); // [N]
  const p = tf.div(likely, tf.expandDims(all, 1)); // [N, K]
  const pRest = tf.div(rest, all); // [N]
  return { p, pRest, entropies: tf.neg(tf.add(tf.sum(tf.mul(p, logOf(p)), 1), tf.mul(pRest, logOf(pRest)))) };
}

/** Sum of `weights` [N] times the teacher's entropy over the K + 1 outcomes, in nats. */
export function topKEntropy(teacher: TopK, weights: tf.Tensor1D): tf.Scalar {
  return tf.sum(tf.mul(outcomesOf(teacher).entropies, weights));
}

/**
 * Sum of `weights` [N] times KL(teacher || student) over K + 1 outcomes: each of the K tokens, and all others as one.
 * If K = V, it is the true divergence; otherwise a lower bound. `logits`: the student's [N, V], already divided by the
 * temperature. Only they get a gradient. Traceable.
 *
 *     teacher 0.5, 0.25 and a rest of 0.25; student 0.25 for each of four tokens
 *       ->   0.5 ln(0.5 / 0.25) + 0.25 ln(0.25 / 0.25) + 0.25 ln(0.25 / 0.5)
 */
export function topKDivergence(logits: tf.Tensor2D, teacher: TopK, weights: tf.Tensor1D): tf.Scalar {
  const [rows, k] = teacher.tokens.shape;
  const { p, pRest, entropies } = outcomesOf(teacher);
  const row = tf.range(0, rows, 1, 'int32').expandDims(1).tile([1, k]).reshape([-1]);
  const indices = tf.stack([row, teacher.tokens.reshape([-1])], 1); // [N K, 2]
  return withGradient<[tf.Tensor]>((save, x) => {
    const peak = tf.max(x, 1, true); // [N, 1]
    const e = tf.exp(tf.sub(x, peak)); // [N, V]
    const top = tf.gatherND(e, indices as tf.Tensor2D).reshape([rows, k]); // [N, K]
    // The tail is summed directly: 1 minus the sum of the known tokens would be mostly rounding error if that is near
    // 1.
    const tail = tf.tensorScatterUpdate(e, indices as tf.Tensor2D, tf.zeros([rows * k])); // [N, V]
    const tailSum = tf.sum(tail, 1); // [N]
    const total = tf.add(tailSum, tf.sum(top, 1)); // [N]
    const logTotal = tf.log(total); // [N]
    const logTop = tf.sub(tf.gatherND(x, indices as tf.Tensor2D).reshape([rows, k]), peak); // [N, K]
    const known = tf.sum(tf.mul(p, tf.sub(logTop, logTotal.expandDims(1))), 1); // [N]
    const unknown = tf.mul(pRest, tf.sub(logOf(tailSum), logTotal)); // [N]
    const divergences = tf.neg(tf.add(entropies, tf.add(known, unknown))); // [N]
    save([tail, top, total, tailSum, p, pRest, indices, weights]);
    return {
      value: tf.sum(tf.mul(divergences, weights)),
      gradients: (dy, [others, own, sums, otherSum, taught, taughtRest, at, w]) => {
        const scale = tf.mul(w, dy); // [N]
        // For a token of the tail e (1 / total - pRest / tailSum), for any other e / total - p.
        const share = tf.sub(tf.div(1, sums), tf.div(taughtRest, tf.maximum(otherSum, LEAST))); // [N]
        const plain = tf.mul(others, tf.mul(share, scale).expandDims(1)); // [N, V]
        const ours = tf.mul(tf.sub(tf.div(own, sums.expandDims(1)), taught), scale.expandDims(1)); // [N, K]
        return [tf.tensorScatterUpdate(plain, at, ours.reshape([-1]))];
      },
    };
  })(logits) as tf.Scalar;
}
