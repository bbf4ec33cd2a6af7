import type { Model } from '../interfaces';
import type { EncodedRequest } from './encode-request';
import { batchesOf, paddedLength } from './passes';

const request = (context: number[], continuation: number[]): EncodedRequest => ({
  context: Int32Array.from(context),
  continuation: Int32Array.from(continuation),
});
const modelOf = (kind: Model['kind']): Model =>
  ({ kind, specialTokens: { pad: 0, start: 2, eos: [1] } }) as unknown as Model;

/** The sequences of a batch without padding. */
const rowsOf = (
  ids: { values: ArrayLike<number>; shape: readonly number[] },
  mask: { values: ArrayLike<number> },
): number[][] =>
  Array.from({ length: ids.shape[0] }, (_, row) =>
    Array.from({ length: ids.shape[1] }, (__, i) => row * ids.shape[1] + i)
      .filter((at) => mask.values[at] === 1)
      .map((at) => ids.values[at]),
  );
const limits = { batchSize: 4, batchTokens: 1000 };

test('an encoder reads a prompt once, and its decoder once what differs only in the last token', () => {
  const requests = [request([5, 6], [7]), request([5, 6], [8]), request([5, 6], [9, 7]), request([4], [7])];
  const [batch, ...others] = batchesOf(modelOf('encoder-decoder'), requests, limits);
  expect(others).toEqual([]);
  const { fields, sourceRows, stateRows, tokens, owners } = batch;
  expect(rowsOf(fields.input_ids, fields.attention_mask)).toEqual([[5, 6], [4]]);
  // Padded to a power of two of rows by the first one.
  expect(rowsOf(fields.decoder_input_ids, fields.decoder_attention_mask)).toEqual([[2], [2, 9], [2], [2]]);
  expect([...sourceRows!.values]).toEqual([0, 0, 1, 0]);
  const length = fields.decoder_input_ids.shape[1];
  const scored = owners.map((owner, i) => [owner, stateRows.values[i], tokens.values[i]]);
  expect(scored).toEqual([
    [0, 0, 7],
    [1, 0, 8],
    [2, length, 9],
    [2, length + 1, 7],
    [3, 2 * length, 7],
  ]);
});

test('a decoder-only model reads prompt and continuation as one sequence, without the last token', () => {
  const [{ fields, sourceRows, stateRows, owners }] = batchesOf(
    modelOf('decoder-only'),
    [request([2, 5, 6], [7, 8])],
    limits,
  );
  expect(rowsOf(fields.input_ids, fields.attention_mask)).toEqual([[2, 5, 6, 7]]);
  expect(sourceRows).toBeUndefined();
  expect(owners.map((_, i) => stateRows.values[i])).toEqual([2, 3]);
});

test('the longest sequences come first, and long ones fewer at a time', () => {
  const lengths = [10, 90, 20, 200, 30, 40];
  const requests = lengths.map((length, i) => request([2, ...Array<number>(length).fill(10 + i)], [3]));
  const batches = batchesOf(modelOf('decoder-only'), requests, { batchSize: 3, batchTokens: 256 });
  expect(batches.map(({ owners }) => owners)).toEqual([[3], [1, 5], [4, 2, 0]]);
});

test('lengths are padded by a third at most', () => {
  expect([1, 32, 33, 64, 65, 97, 129, 1000].map(paddedLength)).toEqual([32, 32, 48, 64, 96, 128, 192, 1024]);
});
