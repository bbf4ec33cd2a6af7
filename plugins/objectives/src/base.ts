import { DataError, FIELDS, type BatchTensors, type FieldSpec, type LossOutput, type Model, type Parameters } from '@graft/core';
import type { tf } from '@graft/engine';
import { maskedCrossEntropy } from './cross-entropy';

/** An example of one token sequence. */
export const TOKENS_FIELD: FieldSpec = { name: 'tokens', dtype: 'int32', rank: 1, meaning: 'one token sequence' };

/** Cross-entropy of the model's logits against the batch's labels, and how many labels counted. */
export function crossEntropyLoss(model: Model, parameters: Parameters, batch: BatchTensors, options: { training: boolean; randomKey?: tf.Tensor }): LossOutput {
  const { logits } = model.forward(parameters, batch, options);
  const { loss, count } = maskedCrossEntropy(logits, batch[FIELDS.labels]);
  return { loss, metrics: { targetTokens: count } };
}

export function requireKind(model: Model, kind: Model['kind'], objective: string): void {
  if (model.kind !== kind) {
    throw new DataError(`The objective "${objective}" needs a model that is ${kind}; this one is ${model.kind}.`, {
      code: 'objective.model-kind',
      exitCode: 2,
    });
  }
}
