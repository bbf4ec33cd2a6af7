/** Building batches on the host. Shapes: B batch, S source length, T target length. */
import { DataError, FIELDS, IGNORED_LABEL, type FieldSpec, type HostArray, type HostFields, type SpecialTokens } from '@graft/core';

const idField = (name: string, meaning: string, optional = false): FieldSpec => ({ name, dtype: 'int32', rank: 2, meaning, optional });

/** What the encoder-decoder's step gets: all of it, always. */
export const SEQ2SEQ_FIELDS: readonly FieldSpec[] = [
  idField(FIELDS.inputIds, 'source tokens'),
  idField(FIELDS.attentionMask, '1 where a source token counts'),
  idField(FIELDS.decoderInputIds, 'target tokens one to the right, behind the start token'),
  idField(FIELDS.decoderAttentionMask, '1 where a decoder input counts'),
  idField(FIELDS.labels, 'target tokens, -100 where no loss is wanted'),
];

/** A ready batch may leave out what can be made of the rest. */
export const READY_SEQ2SEQ_FIELDS: readonly FieldSpec[] = SEQ2SEQ_FIELDS.map((field) => ({
  ...field,
  optional: field.name !== FIELDS.inputIds && field.name !== FIELDS.labels,
}));

export const CAUSAL_FIELDS: readonly FieldSpec[] = [
  idField(FIELDS.inputIds, 'tokens'),
  idField(FIELDS.attentionMask, '1 where a token counts'),
  idField(FIELDS.labels, 'the token after each position, -100 where no loss is wanted'),
];

export const int32 = (values: Int32Array, shape: readonly number[]): HostArray => ({ dtype: 'int32', shape, values });

function ones(like: HostArray): HostArray {
  return int32(new Int32Array(like.values.length).fill(1), like.shape);
}

/**
 * Labels [B, T] one to the right behind the start token; an ignored label becomes pad (quirk 5). This is the only place
 * where the shift happens. With start 2 and pad 0: labels 7 8 9 1 give decoder inputs 2 7 8 9.
 */
export function shiftRight(labels: HostArray, { start, pad }: SpecialTokens): HostArray {
  const [batch, length] = labels.shape;
  const values = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    values[row * length] = start;
    for (let i = 1; i < length; i++) {
      const label = labels.values[row * length + i - 1];
      values[row * length + i] = label === IGNORED_LABEL ? pad : label;
    }
  }
  return int32(values, [batch, length]);
}

/** Completes a ready batch: missing masks are all ones, decoder inputs are taken as they are or made of the labels, never both. */
export function completeSeq2Seq(batch: HostFields, tokens: SpecialTokens): HostFields {
  const inputIds = batch[FIELDS.inputIds];
  const labels = batch[FIELDS.labels];
  const decoderInputIds = batch[FIELDS.decoderInputIds] ?? shiftRight(labels, tokens);
  const fields = {
    [FIELDS.inputIds]: inputIds,
    [FIELDS.attentionMask]: batch[FIELDS.attentionMask] ?? ones(inputIds),
    [FIELDS.decoderInputIds]: decoderInputIds,
    [FIELDS.decoderAttentionMask]: batch[FIELDS.decoderAttentionMask] ?? ones(decoderInputIds),
    [FIELDS.labels]: labels,
  };
  sameShape(fields, FIELDS.attentionMask, FIELDS.inputIds);
  sameShape(fields, FIELDS.decoderInputIds, FIELDS.labels);
  sameShape(fields, FIELDS.decoderAttentionMask, FIELDS.labels);
  return fields;
}

function sameShape(fields: HostFields, name: string, like: string): void {
  const [a, b] = [fields[name].shape, fields[like].shape];
  if (a.join() !== b.join()) {
    throw new DataError(`Field "${name}" has shape [${a.join(', ')}], but "${like}" has [${b.join(', ')}].`, { code: 'data.shape' });
  }
}

/** Rows of different lengths as [B, longest rounded up to a multiple], filled with `filler`. */
export function padRows(rows: readonly ArrayLike<number>[], filler: number, multiple = 1): HostArray {
  const longest = Math.max(1, ...rows.map((row) => row.length));
  const length = Math.ceil(longest / multiple) * multiple;
  const values = new Int32Array(rows.length * length).fill(filler);
  rows.forEach((row, i) => values.set(Array.isArray(row) ? row : Int32Array.from(row), i * length));
  return int32(values, [rows.length, length]);
}

/** 1 for each position that a row fills. */
export function maskRows(rows: readonly ArrayLike<number>[], length: number): HostArray {
  const values = new Int32Array(rows.length * length);
  rows.forEach((row, i) => values.fill(1, i * length, i * length + row.length));
  return int32(values, [rows.length, length]);
}

/** Sources and targets (without start token) as a padded batch. Lengths are rounded up so that few shapes are compiled. */
export function collatePairs(
  sources: readonly ArrayLike<number>[],
  targets: readonly ArrayLike<number>[],
  tokens: SpecialTokens,
  multiple: number,
): HostFields {
  const inputIds = padRows(sources, tokens.pad, multiple);
  const labels = padRows(targets, IGNORED_LABEL, multiple);
  return {
    [FIELDS.inputIds]: inputIds,
    [FIELDS.attentionMask]: maskRows(sources, inputIds.shape[1]),
    [FIELDS.decoderInputIds]: shiftRight(labels, tokens),
    [FIELDS.decoderAttentionMask]: maskRows(targets, labels.shape[1]),
    [FIELDS.labels]: labels,
  };
}
