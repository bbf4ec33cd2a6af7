/** Shapes: B batch, T tokens, D width of a state, C classes. */
import {
  DataError,
  freshHead,
  headLogits,
  maskedCrossEntropy,
  type DropoutRates,
  type Model,
  type Parameters,
  type RandomStream,
  type Representation,
} from '@graft/core';
import { random, tf } from '@graft/engine';
import type { ClassificationBatch } from './batches';

/** The published families' initializer_range. */
const INITIALIZER_RANGE = 0.02;

/** The representation that the model's head reads. Throws DataError if the family offers no states. */
export function representationOf(model: Model): Representation {
  if (model.representation) return model.representation;
  throw new DataError(`This model (${model.kind}) offers no states for a classification head to read.`, {
    code: 'superglue.no-representation',
    exitCode: 2,
    hint: 'Its family should give `representation` (see docs/plugins.md).',
  });
}

/** A fresh head for a model's states, with the family's standard deviation. The caller owns the tensors. */
export function initialHead(
  classes: number,
  { width, initializerRange = INITIALIZER_RANGE }: Pick<Representation, 'width' | 'initializerRange'>,
  stream: RandomStream,
): Parameters {
  return freshHead({ classes, width, initializerRange }, stream);
}

/**
 * Class logits [B, C] from the last token's state (paper, section 4). `dropout` is for training: it drops numbers of
 * that state with `rate` (a float32 scalar), and within the model with `model`, or the model's own rates. Traceable.
 */
export function classLogits(
  representation: Representation,
  parameters: Parameters,
  batch: ClassificationBatch,
  dropout?: {
    readonly rate: tf.Scalar;
    readonly key: tf.Tensor1D;
    readonly model?: Partial<DropoutRates>;
  },
): tf.Tensor2D {
  const { width } = representation;
  const options = { training: dropout !== undefined, randomKey: dropout?.key, dropout: dropout?.model };
  const all = representation.states(parameters, batch, options); // [B, T, D]
  let last = tf.gather(tf.reshape(all, [-1, width]), batch.last_rows); // [B, D]
  if (dropout) {
    const kept = tf.greaterEqual(random.uniform(dropout.key, last.shape), dropout.rate).toFloat();
    last = tf.div(tf.mul(last, kept), tf.sub(1, dropout.rate));
  }
  return headLogits(parameters, last);
}

/** Mean cross-entropy in nats, weighted by `weights`, `[B]`: rows that pad the batch have weight 0. Traceable. */
export function classificationLoss(logits: tf.Tensor2D, { labels, weights }: ClassificationBatch): tf.Scalar {
  return maskedCrossEntropy(logits, labels, { weights }).loss;
}
