/** Shapes: R rows, T length, N = R * T labels, C labels of a chunk, D width of a final state, V vocabulary. */
import { IGNORED_LABEL, type BatchTensors, type ForwardOptions, type Model, type Parameters } from '@graft/core';
import { orderAfter, recomputed, tf, withGradient } from '@graft/engine';
import { outputHeadOf } from '@graft/objectives';

/** Log-probabilities of rows of labels. */
export interface RowLogProbabilities {
  /** float32 [R], in nats: the sum over the labels that count. */
  readonly sums: tf.Tensor1D;
  /** float32 [R]: the number of these labels. */
  readonly counts: tf.Tensor1D;
}

/** What `rowLogProbabilities` computes with. */
export interface RowOptions extends ForwardOptions {
  /** Labels whose logits are in memory together. Default: all. */
  readonly chunkTokens?: number;
}

/**
 * The log-probability of each row's labels, of which -100 counts nothing. `fields` are the model's, `labels` int32 [R,
 * T], aligned with the logits. Traceable.
 */
export function rowLogProbabilities(
  model: Model,
  parameters: Parameters,
  fields: BatchTensors,
  labels: tf.Tensor,
  { chunkTokens, ...options }: RowOptions,
): RowLogProbabilities {
  const shape = labels.shape as [number, number];
  const flat = tf.reshape(labels, [-1]).toInt() as tf.Tensor1D; // [N]
  const classes: tf.Tensor1D = tf.maximum(flat, tf.scalar(0, 'int32'));
  const mask = tf.reshape(tf.notEqual(flat, IGNORED_LABEL).toFloat(), shape);
  const each =
    chunkTokens === undefined
      ? logProbabilitiesAt(
          tf.reshape(model.forward(parameters, fields, options).logits, [flat.size, model.vocabularySize]),
          classes,
        )
      : inChunks(model, parameters, fields, classes, { ...options, chunkTokens });
  return { sums: tf.sum(tf.mul(tf.reshape(each, shape), mask), 1), counts: tf.sum(mask, 1) };
}

/**
 * The log-probabilities [N] of classes [N] under logits [N, V].
 *
 * The gradient, one-hot minus softmax, is written by hand: it reuses the forward pass's only temporary of the logits'
 * size.
 */
export function logProbabilitiesAt(logits: tf.Tensor2D, classes: tf.Tensor1D): tf.Tensor1D {
  const indices = tf.stack([tf.range(0, classes.size, 1, 'int32'), classes], 1); // [N, 2]
  return withGradient<[tf.Tensor]>((save, x) => {
    const peak = tf.max(x, 1, true); // [N, 1]
    const exponentials = tf.exp(tf.sub(x, peak)); // [N, V]
    const total = tf.sum(exponentials, 1); // [N]
    save([exponentials, total, indices]);
    return {
      value: tf.sub(tf.sub(tf.gatherND(x, indices), tf.reshape(peak, [-1])), tf.log(total)),
      gradients: (dy, [e, sums, at]) => {
        const scale = tf.neg(tf.div(dy, sums)); // [N]
        const plain = tf.mul(e, tf.reshape(scale, [-1, 1])); // [N, V]
        // One write per row; subtracting from a one-hot matrix would be another pass over [N, V].
        return [tf.tensorScatterUpdate(plain, at, tf.add(tf.mul(tf.gatherND(e, at), scale), dy))];
      },
    };
  })(logits) as tf.Tensor1D;
}

/**
 * The same, with one chunk's logits in memory. They are computed again for the gradient, because how much a label counts
 * in the loss is known only when the log-probabilities of both answers are.
 */
function inChunks(
  model: Model,
  parameters: Parameters,
  fields: BatchTensors,
  classes: tf.Tensor1D,
  { chunkTokens, ...options }: ForwardOptions & { readonly chunkTokens: number },
): tf.Tensor1D {
  const head = outputHeadOf(model);
  const rows = head.rows(parameters, fields, options); // [N, D]
  const chunks: tf.Tensor1D[] = [];
  for (let from = 0; from < classes.size; from += chunkTokens) {
    const size = Math.min(chunkTokens, classes.size - from);
    const before = chunks.slice(-1);
    const chunk = recomputed(
      ([x], tables, [own, ...behind]) => {
        const named = Object.fromEntries(head.parameters.map((name, i) => [name, tables[i]]));
        // Waits for the previous chunk, so that two chunks are never in memory together.
        const logits = head.logits({ ...parameters, ...named }, behind.length > 0 ? ordered(x, behind) : x);
        return logProbabilitiesAt(logits, tf.reshape(own, [-1]).toInt() as tf.Tensor1D);
      },
      [tf.slice(rows, [from, 0], [size, -1])],
      {
        parameters: head.parameters.map((name) => parameters[name]),
        fixed: [tf.slice(classes, from, size), ...before],
      },
    );
    chunks.push(chunk as tf.Tensor1D);
  }
  return tf.concat(chunks);
}

/** `orderAfter` with a gradient. */
const ordered = (x: tf.Tensor, behind: readonly tf.Tensor[]): tf.Tensor =>
  withGradient<[tf.Tensor]>((_, value) => ({ value: orderAfter(value, behind), gradients: (dy) => [dy] }))(x);
