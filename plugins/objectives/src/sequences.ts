import { IGNORED_LABEL, type HostFields } from '@graft/core';
import { createHash } from 'node:crypto';

/** What a row of a student's batch reads, and what it writes up to the last label that counts. */
export interface Sequence {
  readonly source: Int32Array;
  readonly target: Int32Array;
}

/**
 * The rows of an encoder-decoder batch without their padding. A label within the target that does not count is known from what
 * the decoder reads behind it.
 *
 *     input_ids [5, 6, 7, 0], decoder_input_ids [2, 8, 9, 1], labels [-100, 9, 1, -100]   ->   [5, 6, 7] and [8, 9, 1]
 */
export function sequencesOf(batch: HostFields): Sequence[] {
  const { input_ids: ids, attention_mask: mask, labels, decoder_input_ids: read } = batch;
  const [rows, sourceLength] = ids.shape;
  const targetLength = labels.shape[1];
  return Array.from({ length: rows }, (_, row) => {
    const from = row * sourceLength;
    const own = labels.values.subarray(row * targetLength, (row + 1) * targetLength);
    let counting = own.length;
    while (counting > 0 && own[counting - 1] === IGNORED_LABEL) counting--;
    return {
      source: Int32Array.from(
        ids.values.subarray(from, from + sourceLength).filter((_id, i) => mask.values[from + i] !== 0),
      ),
      target: Int32Array.from(own.subarray(0, counting), (label, i) =>
        label === IGNORED_LABEL ? read.values[row * targetLength + i + 1] : label,
      ),
    };
  });
}

/** Names a sequence by its content, 16 bytes as a text of one-byte characters: one of them costs some 60 bytes in a map. */
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
