import type { BatchTensors, HostFields, LossOutput, Model, Parameters } from '@graft/core';
import type { tf } from '@graft/engine';
import { maskedCrossEntropy } from './cross-entropy';

/** Mean cross-entropy of the model's logits against `labels`, with the number of labels that counted. */
export function languageModelLoss(
  model: Model,
  parameters: Parameters,
  batch: BatchTensors,
  options: { training: boolean; randomKey?: tf.Tensor },
): LossOutput {
  const { labels, ...inputs } = batch;
  const { logits } = model.forward(parameters, inputs, options);
  const { loss, count } = maskedCrossEntropy(logits, labels);
  return { loss, weight: count, sums: { targetTokens: count } };
}

/** Positions of a batch that hold tokens: the ones of its masks. */
export function countMaskedTokens(batch: HostFields): number {
  let tokens = 0;
  for (const mask of [batch.attention_mask, batch.decoder_attention_mask]) {
    if (mask) for (const value of mask.values) tokens += value;
  }
  return tokens;
}
