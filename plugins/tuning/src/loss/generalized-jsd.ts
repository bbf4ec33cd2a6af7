/** Shapes: N labels, V vocabulary. */
import { tf, withGradient, withoutGradient } from '@graft/engine';
import { denseDivergence } from '@graft/objectives';

/**
 * Sum of `weights` [N] times the divergence of a student P from a teacher Q, both logits [N, V], as GKD (2306.13649,
 * section 3) interpolates it by `beta`:
 *
 *     0        KL(Q || P)                                                forward: the student covers the teacher
 *     between  beta KL(Q || M) + (1 - beta) KL(P || M), M = beta Q + (1 - beta) P      the generalized Jensen-Shannon
 *     1        KL(P || Q)                                                reverse: the student keeps to the teacher's modes
 *
 * Only the student gets a gradient. It is written by hand: with r = ln P - ln M (of 1: ln P - ln Q), it is (1 - beta) P (r
 * - sum(P r)) for each label, of 1 without the factor. Traceable.
 */
export function generalizedJsd(
  student: tf.Tensor2D,
  teacher: tf.Tensor2D,
  weights: tf.Tensor1D,
  beta: number,
): tf.Scalar {
  if (beta === 0) return denseDivergence(student, teacher, weights);
  const logQ = withoutGradient(() => tf.logSoftmax(teacher)); // [N, V]
  return withGradient<[tf.Tensor]>((save, x) => {
    const logP: tf.Tensor = tf.logSoftmax(x as tf.Tensor2D);
    const p = tf.exp(logP);
    const logM = beta === 1 ? logQ : mixed(logP, logQ, beta);
    const ratio = tf.sub(logP, logM); // r
    const ofStudent = tf.sum(tf.mul(p, ratio), 1, true); // [N, 1]
    const factor = beta === 1 ? 1 : 1 - beta;
    const own = tf.mul(tf.reshape(ofStudent, [-1]), factor); // [N]
    const ofTeacher = (): tf.Tensor => tf.sum(tf.mul(tf.exp(logQ), tf.sub(logQ, logM)), 1);
    const divergences = beta === 1 ? own : tf.add(own, tf.mul(ofTeacher(), beta));
    save([tf.mul(tf.mul(p, tf.sub(ratio, ofStudent)), factor), weights]);
    return {
      value: tf.sum(tf.mul(divergences, weights)),
      gradients: (dy, [gradient, w]) => [tf.mul(gradient, tf.reshape(tf.mul(w, dy), [-1, 1]))],
    };
  })(student) as tf.Scalar;
}

/** ln(beta Q + (1 - beta) P) [N, V]. */
function mixed(logP: tf.Tensor, logQ: tf.Tensor, beta: number): tf.Tensor {
  const [a, b] = [tf.add(logP, Math.log(1 - beta)), tf.add(logQ, Math.log(beta))];
  const peak = tf.maximum(a, b);
  return tf.add(peak, tf.log(tf.add(tf.exp(tf.sub(a, peak)), tf.exp(tf.sub(b, peak)))));
}
