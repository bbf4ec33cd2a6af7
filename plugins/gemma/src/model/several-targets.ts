/**
 * Several targets of a source, as the chosen and the rejected answer to one prompt: the encoder reads the source once.
 * Shapes as in layers.ts; N targets of B sources.
 */
import { DataError, type BatchTensors } from '@graft/core';
import { tf, type RandomKey } from '@graft/engine';
import type { Dropout } from './dropout';

/** What gives each target what its source has once. */
export interface Repeater {
  /** Rows [B*S, D] as [N*S, D]. */
  readonly rows: (rows: tf.Tensor) => tf.Tensor;
  /** The source's fields [B, S] as [N, S]; the others as they are. */
  readonly fields: (fields: BatchTensors) => BatchTensors;
  /** The dropout of the targets, drawn by the row that each has in the targets of the whole batch. */
  readonly dropout: (dropout: Dropout | undefined) => Dropout | undefined;
}

const SOURCE_FIELDS = ['input_ids', 'attention_mask', 'segment_ids'];

/**
 * From ids [B, S] and [N, T]: target i reads source `sourceRows[i]`, by default each source has N / B targets, next to each
 * other. Throws DataError unless that is a whole number.
 */
export function sourcesOfTargets(
  { shape: [sources, length] }: tf.Tensor,
  { shape: [targets] }: tf.Tensor,
  sourceRows?: tf.Tensor1D,
): Repeater {
  if (sourceRows) return repeater([sources, length!], (x) => tf.gather(x, sourceRows), withoutDropout);
  if (targets === 0 || targets % sources > 0)
    throw new DataError(
      `"decoder_input_ids" has ${targets} rows and "input_ids" ${sources}; each source has the same number of targets.`,
      { code: 'gemma.targets' },
    );
  const each = targets / sources;
  if (each === 1) return { rows: (rows) => rows, fields: (fields) => fields, dropout: (dropout) => dropout };
  const repeated = (x: tf.Tensor): tf.Tensor => tf.tile(tf.expandDims(x, 1), [1, each, 1, 1]);
  return repeater([sources, length!], repeated, (dropout) => dropoutOfTargets(dropout, each));
}

/** `repeated`: x [B, S, D], once for each target. */
function repeater(
  [sources, length]: readonly number[],
  repeated: (x: tf.Tensor) => tf.Tensor,
  dropout: Repeater['dropout'],
): Repeater {
  const of = (x: tf.Tensor, width: number): tf.Tensor => repeated(tf.reshape(x, [sources, length, width]));
  return {
    rows: (rows) => tf.reshape(of(rows, rows.shape[1]!), [-1, rows.shape[1]!]),
    fields: (fields) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, x]) => [
          name,
          SOURCE_FIELDS.includes(name) ? tf.reshape(of(x, 1), [-1, length]) : x,
        ]),
      ),
    dropout,
  };
}

function withoutDropout(dropout: Dropout | undefined): undefined {
  if (dropout)
    throw new DataError('Targets with `sourceRows` cannot be trained with dropout: their places in it are unknown.', {
      code: 'gemma.targets',
    });
}

function dropoutOfTargets(dropout: Dropout | undefined, each: number): Dropout | undefined {
  if (!dropout) return dropout;
  const { key, batch } = dropout;
  const hasRow = key.shape[0] === 3;
  const ofTargets = hasRow ? (tf.mul(key, tf.tensor1d([1, 1, each], 'int32')) as RandomKey) : key;
  return { ...dropout, key: ofTargets, batch: batch * each };
}
