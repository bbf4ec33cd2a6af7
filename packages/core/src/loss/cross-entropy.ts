/** Shapes: N labels (all axes flattened), V classes: a vocabulary, or those of a classifier. */
import { tf, withGradient } from '@graft/engine';
import { IGNORED_LABEL } from '../interfaces';

/** What changes the cross-entropy of each label. */
export interface CrossEntropySettings {
  /**
   * Label smoothing: share of every label's probability that is distributed evenly over the vocabulary, in [0, 1).
   * Default 0.
   */
  readonly labelSmoothing?: number;
  /** Adds this times log(Z)^2, Z the softmax's denominator: keeps logits from drifting. Default 0. */
  readonly zLoss?: number;
  /**
   * No logit is larger, or smaller than its negative: a soft cap's bound. Up to LARGEST_BOUND the softmax then needs no
   * search for the largest logit. Default: unknown.
   */
  readonly bound?: number;
}

/** Up to this magnitude, float32 holds the sum of the exponentials of 2^20 logits, and their reciprocals. */
const LARGEST_BOUND = 50;

/** Settings of `maskedCrossEntropy`, and weights of its labels. */
export interface CrossEntropyOptions extends CrossEntropySettings {
  /** float32, the shape of the labels: the weight of each in the mean. Default 1. */
  readonly weights?: tf.Tensor;
}

/** What `maskedCrossEntropy` returns. */
export interface MaskedCrossEntropy {
  /** Mean over the labels that are not ignored, float32 scalar; 0 if all are ignored. */
  loss: tf.Scalar;
  /** Number of labels that are not ignored, float32 scalar. */
  count: tf.Scalar;
  /** Sum of their weights, float32 scalar: their number if no weights were given. */
  weight: tf.Scalar;
}

/**
 * Mean cross-entropy in float32 over the labels that are not -100. Label i belongs to logits i: nothing is shifted here
 * (quirk 5). logits [..., V], labels int32 [...]. Traceable.
 *
 *     logits [[0, 0], [0, ln 3], [9, 9]]   labels [1, 0, -100]   ->   loss (ln 2 + ln 4) / 2, count 2
 *
 * With smoothing s and z-loss z each label's loss is log Z - (1 - s) x_label - s mean(x) + z (log Z)^2.
 */
export function maskedCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  { weights: given, ...settings }: CrossEntropyOptions = {},
): MaskedCrossEntropy {
  const vocabulary = logits.shape[logits.shape.length - 1];
  const { count, weight, weights, classes } = labelWeights(labels, given);
  const rows = tf.reshape(logits.dtype === 'float32' ? logits : logits.toFloat(), [-1, vocabulary]);
  return { loss: weightedCrossEntropy(rows, classes, weights, settings), count, weight };
}

/**
 * The weights of labels in the mean [N], and their classes; an ignored label has weight 0 and an arbitrary valid class.
 * Traceable.
 */
export function labelWeights(
  labels: tf.Tensor,
  given?: tf.Tensor,
): { count: tf.Scalar; weight: tf.Scalar; weights: tf.Tensor1D; classes: tf.Tensor1D } {
  const flat = tf.reshape(labels, [-1]).toInt() as tf.Tensor1D; // [N]
  const counts = tf.notEqual(flat, IGNORED_LABEL).toFloat() as tf.Tensor1D; // [N]
  const count = tf.sum<tf.Scalar>(counts);
  const classes = tf.maximum<tf.Tensor1D>(flat, tf.scalar(0, 'int32'));
  if (!given) return { count, weight: count, weights: tf.div(counts, tf.maximum(count, 1)), classes };
  const own = tf.mul<tf.Tensor1D>(counts, tf.reshape(given, [-1]));
  const weight = tf.sum<tf.Scalar>(own);
  return { count, weight, weights: tf.div(own, tf.maximum(weight, LEAST_WEIGHT)), classes };
}

/** If all labels are ignored, the divisor only divides 0. */
const LEAST_WEIGHT = 1e-30;

/**
 * Sum of weights [N] times the loss of rows [N, V] at classes [N]. Only the logits get a gradient.
 *
 * The hand-written gradient, p (1 + 2 z log Z) - (1 - s) one-hot - s / V, reuses the forward pass's only temporary of
 * the logits' size. At a vocabulary of 32,000 and more, every pass over such a tensor is noticeable in the time of a
 * step.
 */
export function weightedCrossEntropy(
  rows: tf.Tensor,
  classes: tf.Tensor,
  weights: tf.Tensor,
  { labelSmoothing = 0, zLoss = 0, bound = Infinity }: CrossEntropySettings,
): tf.Scalar {
  const vocabulary = rows.shape[1]!;
  const indices = tf.stack([tf.range(0, classes.size, 1, 'int32'), classes], 1); // [N, 2]
  return withGradient<[tf.Tensor]>((save, x) => {
    const peak = bound <= LARGEST_BOUND ? undefined : tf.max(x, 1, true); // [N, 1]
    const exponentials = tf.exp(peak ? tf.sub(x, peak) : x); // [N, V]
    const total = tf.sum(exponentials, 1); // [N]
    const logTotal = peak ? tf.add(tf.log(total), tf.reshape(peak, [-1])) : tf.log(total); // [N]
    let losses = tf.sub(logTotal, tf.mul(tf.gatherND(x, indices), 1 - labelSmoothing)); // [N]
    if (labelSmoothing > 0) losses = tf.sub(losses, tf.mul(tf.mean(x, 1), labelSmoothing));
    if (zLoss > 0) losses = tf.add(losses, tf.mul(tf.square(logTotal), zLoss));
    save([exponentials, total, indices, weights, logTotal]);
    return {
      value: tf.sum(tf.mul(losses, weights)),
      gradients: (dy, [e, sums, at, w, logs]) => {
        const scale = tf.mul(w, dy); // [N]
        const grown = zLoss > 0 ? tf.mul(scale, tf.add(tf.mul(logs, 2 * zLoss), 1)) : scale;
        const perTotal = tf.div(grown, sums); // [N]
        const shift = tf.mul(scale, labelSmoothing / vocabulary); // [N]
        const plain = tf.mul(e, tf.reshape(perTotal, [-1, 1])); // [N, V]
        const scaled = labelSmoothing > 0 ? tf.sub(plain, tf.reshape(shift, [-1, 1])) : plain;
        // One write per row; subtracting a one-hot matrix would be another pass over [N, V].
        const atLabels = tf.sub(tf.mul(tf.gatherND(e, at), perTotal), tf.mul(scale, 1 - labelSmoothing)); // [N]
        return [tf.tensorScatterUpdate(scaled, at, labelSmoothing > 0 ? tf.sub(atLabels, shift) : atLabels)];
      },
    };
  })(rows) as tf.Scalar;
}
