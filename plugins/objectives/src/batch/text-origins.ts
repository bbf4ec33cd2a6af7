/** Shapes: B batch, T target length, L length of the uncorrupted text. */
import { DataError, IGNORED_LABEL, type FieldSpec, type HostFields } from '@graft/core';
import { padRows } from './padding';
import { numberedSegments, stretchesOf, type Segment } from './segments';

/** The origin of a label that is not from the text: a sentinel, or an end token that the objective adds. */
export const NO_ORIGIN = -1;

/**
 * Where the labels of corrupted texts come from. `label_origins` stays in the batch; the text goes to whoever reads it
 * for the targets: a teacher, or the command that caches one.
 */
export const TEXT_ORIGIN_FIELDS = {
  labelOrigins: {
    name: 'label_origins',
    dtype: 'int32',
    rank: 2,
    optional: true,
    meaning: `for each label, the index of its token in the row's uncorrupted text; ${NO_ORIGIN}: it is not from it`,
  },
  textIds: { name: 'text_ids', dtype: 'int32', rank: 2, optional: true, meaning: 'the uncorrupted text of a row' },
  textSegmentIds: {
    name: 'text_segment_ids',
    dtype: 'int32',
    rank: 2,
    optional: true,
    meaning: 'the segment of each of its tokens, from 1 on; 0: padding',
  },
} as const satisfies Record<string, FieldSpec>;

/** A sequence before its corruption, and for each token of its target the index in it, or NO_ORIGIN. */
export interface TextOrigins {
  readonly text: ArrayLike<number>;
  readonly origins: readonly number[];
}

/**
 * The fields of TEXT_ORIGIN_FIELDS for rows of one sequence each, or several. Origins count from the start of the row's
 * text, which is that of all its sequences, one after the other.
 *
 *     texts [5, 6, 7] and [8, 9], targets [99, 6, 1] and [9, 1]
 *       label_origins    [-1, 1, -1, 4, -1]
 *       text_ids         [5, 6, 7, 8, 9]
 *       text_segment_ids [1, 1, 1, 2, 2]
 */
export function textOriginFields(
  rows: readonly (readonly TextOrigins[])[],
  { targetLength, textLength }: { readonly targetLength: number; readonly textLength: number },
  pad: number,
): HostFields {
  const origins = rows.map((row) => {
    let before = 0;
    return row.flatMap(({ text, origins: own }) => {
      const first = before;
      before += text.length;
      return own.map((origin) => (origin === NO_ORIGIN ? NO_ORIGIN : first + origin));
    });
  });
  const texts = rows.map((row) => row.flatMap(({ text }) => Array.from(text)));
  const segments = rows.map((row) => numberedSegments(row.map(({ text }) => text.length)));
  return {
    label_origins: padRows(origins, targetLength, NO_ORIGIN), // [B, T]
    text_ids: padRows(texts, textLength, pad), // [B, L]
    text_segment_ids: padRows(segments, textLength, 0), // [B, L]
  };
}

/** The labels of one uncorrupted sequence in a row of a batch. */
export interface OriginalSequence {
  readonly segment: number;
  readonly tokens: Int32Array;
  /** Index of its first label in the row. */
  readonly at: number;
  /** For each label from `at` on, the index of its token in `tokens`, or NO_ORIGIN. */
  readonly origins: Int32Array;
}

/**
 * The uncorrupted sequences of one row of a batch with the fields of TEXT_ORIGIN_FIELDS. Throws DataError if the origin
 * of a label that counts lies outside its text, is the text's first token, which nothing precedes, or is another token.
 */
export function originalSequences(batch: HostFields, row: number): OriginalSequence[] {
  const of = (name: string): Int32Array => {
    const { shape, values } = batch[name];
    return (values as Int32Array).subarray(row * shape[1], (row + 1) * shape[1]);
  };
  const [text, origins, labels] = [of('text_ids'), of('label_origins'), of('labels')];
  const targets: Segment[] = batch.decoder_segment_ids
    ? stretchesOf(of('decoder_segment_ids'))
    : [{ id: 1, start: 0, end: labels.length }];
  return stretchesOf(of('text_segment_ids')).map(({ id, start, end }) => {
    const target = targets.find((stretch) => stretch.id === id) ?? { id, start: 0, end: 0 };
    for (let i = target.start; i < target.end; i++) {
      const origin = origins[i];
      if (origin === NO_ORIGIN || labels[i] === IGNORED_LABEL) continue;
      if (origin > start && origin < end && text[origin] === labels[i]) continue;
      const found =
        origin > start && origin < end ? `the token ${text[origin]}` : `outside the text ${start + 1} to ${end - 1}`;
      throw new DataError(
        `Row ${row} of the batch: label ${labels[i]} at ${i} has the origin ${origin}, but that is ${found}.`,
        { code: 'distillation.origins', hint: 'The objective must name the token of the text that each label is.' },
      );
    }
    return {
      segment: id,
      tokens: text.slice(start, end),
      at: target.start,
      origins: Int32Array.from(origins.subarray(target.start, target.end), (origin) =>
        origin === NO_ORIGIN ? NO_ORIGIN : origin - start,
      ),
    };
  });
}
