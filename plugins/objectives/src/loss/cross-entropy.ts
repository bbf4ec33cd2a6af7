/** Shapes: N tokens (all axes of the labels flattened), C tokens of a chunk, D hidden width, V vocabulary. */
import {
  labelWeights,
  weightedCrossEntropy,
  type CrossEntropyOptions,
  type MaskedCrossEntropy,
  type OutputHead,
  type Parameters,
} from '@graft/core';
import { tf } from '@graft/engine';
import { sumOverChunks } from './chunks';

/**
 * The same as `maskedCrossEntropy` of the model's logits for rows [N, D], but only one chunk's logits are in memory
 * (see `sumOverChunks`). `head`: the model's output layer.
 */
export function chunkedCrossEntropy(
  head: OutputHead,
  parameters: Parameters,
  rows: tf.Tensor,
  labels: tf.Tensor,
  {
    chunkTokens,
    training,
    weights: given,
    ...settings
  }: CrossEntropyOptions & { readonly chunkTokens: number; readonly training: boolean },
): MaskedCrossEntropy {
  const { count, weight, weights, classes } = labelWeights(labels, given);
  const { loss } = sumOverChunks(head, parameters, rows, { chunkTokens, training }, (logits, from) => {
    const size = logits.shape[0];
    const [at, w] = [tf.slice(classes, from, size), tf.slice(weights, from, size)]; // [C]
    return { loss: weightedCrossEntropy(logits, at, w, settings), metrics: [] };
  });
  return { loss, count, weight };
}
