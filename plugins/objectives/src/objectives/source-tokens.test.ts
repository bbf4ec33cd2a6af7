/** Encoders whose policy puts special tokens around their sources. */
import {
  createRandom,
  type HostFields,
  type Objective,
  type ObjectiveSource,
  type SpecialTokensSection,
} from '@graft/core';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { PrefixLm, prefixLmOptions } from './prefix-lm';
import { Seq2Seq, seq2seqOptions } from './seq2seq';

const of = (...examples: HostFields[]): ObjectiveSource => ({ kind: 'examples', examples });
const prepare = (
  objective: Objective,
  source: ObjectiveSource,
  section: SpecialTokensSection = { encoder: { bos: true, eos: true } },
): Record<string, number[][]> => {
  const model = { ...fakeModel('encoder-decoder', [], section), readsSegments: true };
  return rowsOf(objective.prepare(source, { model, random: createRandom(0), step: 0 }));
};
const seq2seq = (options: object = {}): Seq2Seq =>
  new Seq2Seq(seq2seqOptions.parse({ padToMultipleOf: 1, ...options }));
const prefixLm = (options: object = {}): PrefixLm =>
  new PrefixLm(prefixLmOptions.parse({ padToMultipleOf: 1, ...options }));
const pair = (source: number[], target: number[]): HostFields => ({ source: int32(source), target: int32(target) });

test('seq2seq puts the special tokens around each source once and leaves targets unchanged', () => {
  const source = of(pair([5, 6], [8, 1]), pair([2, 7, 1], [9, 1]));
  expect(prepare(seq2seq(), source)).toEqual({
    input_ids: [
      [2, 5, 6, 1],
      [2, 7, 1, 0],
    ],
    attention_mask: [
      [1, 1, 1, 1],
      [1, 1, 1, 0],
    ],
    decoder_input_ids: [
      [2, 8],
      [2, 9],
    ],
    decoder_attention_mask: [
      [1, 1],
      [1, 1],
    ],
    labels: [
      [8, 1],
      [9, 1],
    ],
  });
  expect(prepare(seq2seq(), source, { decoder: { eos: true } }).input_ids[0]).toEqual([5, 6, 0]);
});

test('seq2seq puts the special tokens around each segment of a packed row and removes its padding', () => {
  const row = {
    ...pair([5, 6, 7, 0], [8, 1, 9, 1]),
    source_segments: int32([1, 1, 2, 0]),
    target_segments: int32([1, 1, 2, 2]),
  };
  expect(prepare(seq2seq(), of(row))).toMatchObject({
    input_ids: [[2, 5, 6, 1, 2, 7, 1]],
    segment_ids: [[1, 1, 1, 1, 2, 2, 2]],
    labels: [[8, 1, 9, 1]],
  });
});

test('the limits of seq2seq include the special tokens, and errors name the length that is needed', () => {
  const source = of(pair([5, 6, 7], [8, 1]), pair([5, 6, 7, 8], [9, 1]));
  expect(prepare(seq2seq({ maxSourceTokens: 6 }), source).input_ids[1]).toEqual([2, 5, 6, 7, 8, 1]);
  expect(() => prepare(seq2seq({ maxSourceTokens: 4 }), source)).toThrow(
    'Example 0 of the batch: "source" has 3 tokens and 2 special tokens around, but objective.maxSourceTokens is 4; this batch needs 6.',
  );
  expect(prepare(seq2seq({ maxSourceTokens: 4, truncate: true }), source).input_ids).toEqual([
    [2, 5, 6, 1],
    [2, 5, 6, 1],
  ]);
});

test('prefix-lm puts the special tokens around each prefix, also in packed rows', () => {
  const tokens = [5, 6, 7, 8];
  expect(prepare(prefixLm(), of({ tokens: int32(tokens) }))).toMatchObject({
    input_ids: [[2, 5, 6, 1]],
    labels: [[7, 8]],
  });
  const packed = { tokens: int32([...tokens, 9, 10]), segments: int32([1, 1, 1, 1, 2, 2]) };
  const { input_ids: ids, segment_ids: segments, attention_mask: mask } = prepare(prefixLm(), of(packed));
  expect(ids[0].filter((_, i) => mask[0][i] === 1)).toEqual([2, 5, 6, 1, 2, 9, 1]);
  expect(segments[0].filter((id) => id > 0)).toEqual([1, 1, 1, 1, 2, 2, 2]);
  // Whatever the cut, one shape.
  const lengths = new Set(
    Array.from({ length: 9 }, (_, step) => {
      const model = fakeModel('encoder-decoder', [], { encoder: { bos: true } });
      const random = createRandom(step);
      return prefixLm({ split: 'random' }).prepare(of({ tokens: int32(tokens) }), { model, random }).input_ids.shape[1];
    }),
  );
  expect([...lengths]).toEqual([4]);
});
