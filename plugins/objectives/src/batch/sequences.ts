import { IGNORED_LABEL, withoutModelInput, type HostFields, type Model } from '@graft/core';
import { createHash } from 'node:crypto';
import { stretchesOf } from './segments';
import { NO_ORIGIN, originalSequences } from './text-origins';

/**
 * What a teacher reads of a row (or of a segment) in a student's batch, and the tokens after it that it predicts: the
 * student's source, and its target up to the last label that counts. Of a corrupted text, its first token and the rest.
 */
export interface Sequence {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/** A sequence and its position in the batch. */
export interface PlacedSequence extends Sequence {
  readonly row: number;
  /** Index of its first label in the row. */
  readonly at: number;
  /** Its segment number in the row; 1 if the row is one sequence. */
  readonly segment: number;
  /** For each label from `at` on, the index of its token in `target`; NO_ORIGIN: it is none of them. */
  readonly indices: Int32Array;
}

/**
 * Extracts the sequences of an encoder-decoder batch, one per row or per segment, without padding and without the
 * special tokens that the student's policy puts around a source. Where an ignored label lies inside the target, its
 * token is the one that the decoder reads at the next position. If the batch has the uncorrupted texts of its rows
 * (`text_ids`), the sequences are these, whatever the source is.
 *
 *     input_ids [5, 6, 7, 0], decoder_input_ids [2, 8, 9, 1], labels [-100, 9, 1, -100]   ->   [5, 6, 7] and [8, 9, 1]
 */
export function sequencesInBatch(batch: HostFields, student: Model): PlacedSequence[] {
  const { input_ids: ids, attention_mask: mask, labels, decoder_input_ids: read } = batch;
  const { segment_ids: segments, decoder_segment_ids: targetSegments } = batch;
  const [rows, sourceLength] = ids.shape;
  if (batch.text_ids) return Array.from({ length: rows }, (_, row) => textsOfRow(batch, row)).flat();
  const targetLength = labels.shape[1];
  const ofRow = (row: number): PlacedSequence[] => {
    const [from, first] = [row * sourceLength, row * targetLength];
    const stretches = targetSegments
      ? stretchesOf(targetSegments.values.subarray(first, first + targetLength))
      : [{ id: 1, start: 0, end: targetLength }];
    return stretches.map(({ id, start, end }) => {
      const own = labels.values.subarray(first + start, first + end);
      let counting = own.length;
      while (counting > 0 && own[counting - 1] === IGNORED_LABEL) counting--;
      return {
        row,
        at: start,
        segment: id,
        indices: Int32Array.from({ length: counting }, (_label, i) => i),
        source: withoutModelInput(
          student,
          Int32Array.from(
            ids.values
              .subarray(from, from + sourceLength)
              .filter((_id, i) => mask.values[from + i] !== 0 && (segments?.values[from + i] ?? id) === id),
          ),
        ),
        target: Int32Array.from(own.subarray(0, counting), (label, i) =>
          label === IGNORED_LABEL ? read.values[first + start + i + 1] : label,
        ),
      };
    });
  };
  return Array.from({ length: rows }, (_, row) => ofRow(row)).flat();
}

/** Split after the first token, which only a start token can predict and no span holds. */
function textsOfRow(batch: HostFields, row: number): PlacedSequence[] {
  return originalSequences(batch, row).map(({ tokens, origins, ...place }) => ({
    row,
    ...place,
    source: tokens.slice(0, 1),
    target: tokens.slice(1),
    indices: origins.map((origin) => (origin === NO_ORIGIN ? NO_ORIGIN : origin - 1)),
  }));
}

/**
 * Identifies a sequence by a 16-byte hash of its content, as a string of one-byte characters: such a key takes about 60
 * bytes in a Map.
 */
export function keyOf({ source, target }: Sequence): string {
  const bytes = (values: Int32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256')
    .update(bytes(Int32Array.of(source.length)))
    .update(bytes(source))
    .update(bytes(target))
    .digest()
    .toString('latin1', 0, KEY_BYTES);
}

export const KEY_BYTES = 16;
