/**
 * Several targets for each source, as the chosen and the rejected answer to one prompt: the encoder reads the source once.
 * Shapes as in layers.ts; n targets for each of B sources.
 */
import { DataError, type BatchTensors } from '@graft/core';
import { tf, type RandomKey } from '@graft/engine';
import type { Dropout } from './dropout';

/** n, from ids [B, S] and [B*n, T]. Throws DataError unless the targets are a multiple of the sources. */
export function targetsPerSource({ shape: [sources] }: tf.Tensor, { shape: [targets] }: tf.Tensor): number {
  if (targets > 0 && targets % sources === 0) return targets / sources;
  throw new DataError(
    `"decoder_input_ids" has ${targets} rows and "input_ids" ${sources}; each source has the same number of targets.`,
    { code: 'gemma.targets' },
  );
}

/** What repeats, for each of the n targets, something that a source has once. */
export interface Repeater {
  /** Rows [B*S, D] as [B*n*S, D]. */
  readonly rows: (rows: tf.Tensor) => tf.Tensor;
  /** The source's fields [B, S] as [B*n, S]; the others as they are. */
  readonly fields: (fields: BatchTensors) => BatchTensors;
}

const SOURCE_FIELDS = ['input_ids', 'attention_mask', 'segment_ids'];

export function repeater([batch, length]: readonly number[], targets: number): Repeater {
  if (targets === 1) return { rows: (rows) => rows, fields: (fields) => fields };
  const repeated = (x: tf.Tensor, width: number): tf.Tensor =>
    tf.tile(tf.reshape(x, [batch, 1, length, width]), [1, targets, 1, 1]);
  return {
    rows: (rows) => tf.reshape(repeated(rows, rows.shape[1]!), [batch * targets * length, -1]),
    fields: (fields) =>
      Object.fromEntries(
        Object.entries(fields).map(([name, x]) => [
          name,
          SOURCE_FIELDS.includes(name) ? tf.reshape(repeated(x, 1), [batch * targets, length]) : x,
        ]),
      ),
  };
}

/** The dropout of the targets, drawn by the row that each has in the targets of the whole batch. */
export function dropoutOfTargets(dropout: Dropout | undefined, targets: number): Dropout | undefined {
  if (!dropout || targets === 1) return dropout;
  const { key, batch } = dropout;
  const hasRow = key.shape[0] === 3;
  const ofTargets = hasRow ? (tf.mul(key, tf.tensor1d([1, 1, targets], 'int32')) as RandomKey) : key;
  return { ...dropout, key: ofTargets, batch: batch * targets };
}
