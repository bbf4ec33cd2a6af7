/** Shapes: N tokens (all axes of the labels flattened), V vocabulary. */
import { IGNORED_LABEL } from '@graft/core';
import { tf } from '@graft/engine';

type Save = (tensors: tf.Tensor[]) => void;

export interface MaskedCrossEntropy {
  /** Mean over the labels that count, float32 scalar; 0 when none counts. */
  loss: tf.Scalar;
  /** How many labels counted, float32 scalar. */
  count: tf.Scalar;
}

/**
 * Mean cross-entropy in float32 over the labels that are not -100. Label i belongs to logits i: nothing is shifted here
 * (quirk 5). logits [..., V], labels int32 [...]. Traceable.
 *
 *     logits [[0, 0], [0, ln 3], [9, 9]]   labels [1, 0, -100]   ->   loss (ln 2 + ln 4) / 2, count 2
 *
 * The hand-written gradient, (softmax - one-hot) / count, reuses the forward pass's only temporary of the logits' size.
 * At a vocabulary of 32,000 and more, every pass over such a tensor shows in the time of a step.
 */
export function maskedCrossEntropy(logits: tf.Tensor, labels: tf.Tensor): MaskedCrossEntropy {
  const vocabulary = logits.shape[logits.shape.length - 1];
  const flat = tf.reshape(labels, [-1]).toInt(); // [N]
  const counted = tf.notEqual(flat, IGNORED_LABEL).toFloat(); // [N]
  const count = tf.sum<tf.Scalar>(counted);
  const weights = tf.div(counted, tf.maximum(count, 1)); // [N]
  // An ignored label has weight 0; any class does for it.
  const classes = tf.maximum(flat, tf.scalar(0, 'int32'));
  const places = tf.stack([tf.range(0, flat.size, 1, 'int32'), classes], 1); // [N, 2]
  const rows = tf.reshape(logits.dtype === 'float32' ? logits : logits.toFloat(), [-1, vocabulary]);
  return { loss: weightedCrossEntropy(rows, places, weights), count };
}

/** Sum of weights [N] times -log softmax(rows [N, V]) at the places [N, 2]. Only the rows get a gradient. */
function weightedCrossEntropy(rows: tf.Tensor, places: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  const withGradient = tf.customGrad((...inputs) => {
    const x = inputs[0] as tf.Tensor;
    const save = inputs[1] as unknown as Save;
    const peak = tf.max(x, 1, true); // [N, 1]
    const exponentials = tf.exp(tf.sub(x, peak)); // [N, V]
    const total = tf.sum(exponentials, 1); // [N]
    const logTotal = tf.add(tf.log(total), tf.reshape(peak, [-1])); // [N]
    const picked = tf.gatherND(x, places); // [N]
    save([exponentials, total, places, weights]);
    return {
      value: tf.sum(tf.mul(tf.sub(logTotal, picked), weights)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [e, sums, at, w] = saved;
        const scale = tf.mul(w, dy); // [N]
        const perTotal = tf.div(scale, sums); // [N]
        const scaled = tf.mul(e, tf.reshape(perTotal, [-1, 1])); // [N, V]
        // One write a row, where subtracting a one-hot matrix would be another pass over [N, V].
        const atLabels = tf.sub(tf.mul(tf.gatherND(e, at), perTotal), scale); // [N]
        return tf.tensorScatterUpdate(scaled, at, atLabels);
      },
    };
  });
  return withGradient(rows) as tf.Scalar;
}
