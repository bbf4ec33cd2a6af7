import {
  GraftError,
  maskedCrossEntropy,
  type BatchTensors,
  type HostFields,
  type LossOutput,
  type Model,
  type OutputHead,
  type Parameters,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { z } from 'zod';
import { chunkedCrossEntropy } from './cross-entropy';

/** Options of every objective whose loss is the cross-entropy of tokens. */
export const lossOptions = {
  labelSmoothing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("Share of each label's probability that is spread evenly over the vocabulary."),
  zLoss: z
    .number()
    .min(0)
    .default(0)
    .describe("Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting."),
  chunkTokens: z
    .int()
    .positive()
    .optional()
    .describe(
      'Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all.',
    ),
};

/** What changes the loss of each token. */
export interface LossSettings {
  readonly labelSmoothing?: number;
  readonly zLoss?: number;
  readonly chunkTokens?: number;
}

/**
 * Mean cross-entropy of the model's logits against `labels`, weighted by `label_weights` if present, and the total
 * weight of the labels that count. Smoothing and z-loss apply only to training: an evaluation measures plain
 * cross-entropy.
 */
export function languageModelLoss(
  model: Model,
  parameters: Parameters,
  batch: BatchTensors,
  options: { training: boolean; randomKey?: tf.Tensor },
  { chunkTokens, labelSmoothing, zLoss }: LossSettings = {},
): LossOutput {
  const { labels, label_weights: weights, ...inputs } = batch;
  const { logitBound: bound } = model;
  const settings = options.training ? { labelSmoothing, zLoss, weights, bound } : { weights, bound };
  const { loss, count, weight } =
    chunkTokens === undefined
      ? maskedCrossEntropy(model.forward(parameters, inputs, options).logits, labels, settings)
      : inChunks(chunkTokens);
  return { loss, weight, sums: { targetTokens: count } };

  function inChunks(tokens: number): ReturnType<typeof maskedCrossEntropy> {
    const head = outputHeadOf(model);
    const { training } = options;
    const rows = head.rows(parameters, inputs, options);
    return chunkedCrossEntropy(head, parameters, rows, labels, { ...settings, training, chunkTokens: tokens });
  }
}

/** The model's output layer, for `chunkTokens`. Throws GraftError if the model does not provide it separately. */
export function outputHeadOf({ head }: Model): OutputHead {
  if (head) return head;
  throw new GraftError('objective.chunkTokens needs a model that gives its output layer apart; this one does not.', {
    code: 'objective.chunks',
    exitCode: 2,
    hint: 'Leave chunkTokens out.',
  });
}

/** Number of positions of a batch that contain tokens: the ones in its masks. */
export function countMaskedTokens(batch: HostFields): number {
  let tokens = 0;
  for (const mask of [batch.attention_mask, batch.decoder_attention_mask]) {
    if (mask) for (const value of mask.values) tokens += value;
  }
  return tokens;
}
