/** Shapes: B batch, L teacher length, N rows, D width, V vocabulary. */
import type { Model, OutputHead } from '@graft/core';
import type { tf } from '@graft/engine';

/**
 * A teacher's output layer: rows [B L, D], and the logits [N, V] of some of them. For a model without a separate output
 * layer, the rows are the logits themselves.
 */
export function teacherHead(model: Model): Pick<OutputHead, 'rows' | 'logits'> {
  return (
    model.head ?? {
      rows: (parameters, fields) =>
        model.forward(parameters, fields).logits.reshape([-1, model.vocabularySize]) as tf.Tensor2D,
      logits: (_, rows) => rows as tf.Tensor2D,
    }
  );
}
