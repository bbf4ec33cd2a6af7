import { createRandom, type HostFields, type ObjectiveSource } from '@graft/core';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { CausalLm, causalLmOptions } from './causal-lm';

const make = (options: object = {}): CausalLm => new CausalLm(causalLmOptions.parse(options));
const context = { model: fakeModel('decoder-only'), random: createRandom(0) };
const examples = (...rows: number[][]): ObjectiveSource => ({
  kind: 'examples',
  examples: rows.map((tokens) => ({ tokens: int32(tokens) })),
});

const without = { ...context, model: fakeModel('decoder-only', [], { bos: false }) };

it('causal-lm gives the docstring example', () => {
  expect(rowsOf(make({ padToMultipleOf: 8 }).prepare(examples([5, 6, 7, 8, 9, 1]), context))).toEqual({
    input_ids: [[2, 5, 6, 7, 8, 9, 0, 0]],
    attention_mask: [[1, 1, 1, 1, 1, 1, 0, 0]],
    labels: [[5, 6, 7, 8, 9, 1, -100, -100]],
  });
});

it('causal-lm predicts from the second token on if the policy has no start token', () => {
  expect(rowsOf(make({ padToMultipleOf: 6 }).prepare(examples([5, 6, 7, 8, 9, 1]), without))).toEqual({
    input_ids: [[5, 6, 7, 8, 9, 0]],
    attention_mask: [[1, 1, 1, 1, 1, 0]],
    labels: [[6, 7, 8, 9, 1, -100]],
  });
});

it('a text that begins with its own start token does not get a second one', () => {
  expect(rowsOf(make({ padToMultipleOf: 1 }).prepare(examples([2, 5, 6, 1], [7, 8, 1]), context))).toEqual({
    input_ids: [
      [2, 5, 6, 1],
      [2, 7, 8, 0],
    ],
    attention_mask: [
      [1, 1, 1, 1],
      [1, 1, 1, 0],
    ],
    labels: [
      [5, 6, 1, -100],
      [7, 8, 1, -100],
    ],
  });
});

it('weights follow their tokens', () => {
  const example = {
    tokens: int32([5, 6, 7, 8, 1]),
    segments: int32([1, 1, 1, 2, 2]),
    weights: { dtype: 'float32' as const, shape: [5], values: Float32Array.of(0, 1, 2, 0.5, 3) },
  };
  const prepare = (own: typeof context): Record<string, number[][]> =>
    rowsOf(make({ padToMultipleOf: 1 }).prepare({ kind: 'examples', examples: [example] }, own));
  const segmented = { ...fakeModel('decoder-only'), readsSegments: true };
  expect(prepare({ ...context, model: segmented })).toEqual({
    input_ids: [[2, 5, 6, 2, 8]],
    attention_mask: [[1, 1, 1, 1, 1]],
    labels: [[-100, 6, 7, 8, 1]],
    label_weights: [[0, 1, 2, 0.5, 3]],
    segment_ids: [[1, 1, 1, 2, 2]],
  });
  expect(prepare({ ...context, model: { ...without.model, readsSegments: true } })).toMatchObject({
    input_ids: [[5, 6, 7, 8]],
    labels: [[6, 7, -100, 1]],
    segment_ids: [[1, 1, 1, 2]],
  });
});

describe('pairs', () => {
  const pairs = make({ input: 'pairs', padToMultipleOf: 1 });
  const pair = (source: number[], target: number[], more: HostFields = {}): HostFields => ({
    source: int32(source),
    target: int32(target),
    ...more,
  });
  const prepare = (own: typeof context, ...given: HostFields[]): ReturnType<typeof rowsOf> =>
    rowsOf(pairs.prepare({ kind: 'examples', examples: given }, own));

  it('source and target are read as one text, of which the target is learnt', () => {
    expect(prepare(context, pair([5, 6, 7], [8, 9, 1]), pair([5], [6]))).toMatchObject({
      input_ids: [
        [2, 5, 6, 7, 8, 9],
        [2, 5, 0, 0, 0, 0],
      ],
      attention_mask: [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0, 0],
      ],
      labels: [
        [-100, -100, -100, 8, 9, 1],
        [-100, 6, -100, -100, -100, -100],
      ],
    });
    expect(prepare(without, pair([5, 6], [7, 8]))).toMatchObject({ input_ids: [[5, 6, 7]], labels: [[-100, 7, 8]] });
  });

  it('weights are those of the target', () => {
    const weights = { dtype: 'float32' as const, shape: [3], values: Float32Array.of(0, 2, 0.5) };
    expect(prepare(context, pair([5, 6], [7, 8, 1], { weights }))).toMatchObject({
      labels: [[-100, -100, -100, 8, 1]],
      label_weights: [[0, 0, 0, 2, 0.5]],
    });
  });

  it('an empty target, weights of another length and packed pairs are refused with the reason', () => {
    expect(() => prepare(context, pair([5], []))).toThrow('Example 0 of the batch: "target" is empty.');
    expect(() => prepare(without, pair([], [5]))).toThrow('Example 0 of the batch: "source" is empty.');
    const weights = { dtype: 'float32' as const, shape: [1], values: Float32Array.of(1) };
    expect(() => prepare(context, pair([5], [6, 7], { weights }))).toThrow('"target" has 2 tokens');
    expect(() => prepare(context, pair([5], [6], { source_segments: int32([1]) }))).toThrow('one pair in a row');
    expect(() => prepare(context, { tokens: int32([5, 6]) })).toThrow('"source"');
  });
});

it('ready batches have labels that are already aligned', () => {
  const batch = { input_ids: int32([[5, 6, 0]]), labels: int32([[6, 7, -100]]) };
  expect(rowsOf(make().prepare({ kind: 'batch', batch }, context))).toEqual({
    ...rowsOf(batch),
    attention_mask: [[1, 1, 1]],
  });
  const masked = { ...batch, attention_mask: int32([[1, 1, 0]]) };
  expect(rowsOf(make().prepare({ kind: 'batch', batch: masked }, context))).toEqual(rowsOf(masked));
});

it('a wrong kind of model and wrong tokens or labels are refused with the reason', () => {
  const prepare = (source: ObjectiveSource) => () => make().prepare(source, context);
  expect(() => make().prepare(examples([3, 4]), { ...context, model: fakeModel('encoder-decoder') })).toThrow(
    'The objective "causal-lm" trains decoder-only models, but this model is encoder-decoder.',
  );
  expect(() => make().prepare(examples([3]), without)).toThrow('needs at least 2');
  expect(prepare(examples([]))).toThrow('needs at least 1');
  expect(rowsOf(make({ padToMultipleOf: 1 }).prepare(examples([3]), context)).labels).toEqual([[3]]);
  expect(prepare(examples([2]))).toThrow('nothing to learn from');
  expect(prepare(examples([3, 99]))).toThrow('"labels" holds 99');
  expect(prepare({ kind: 'batch', batch: { input_ids: int32([[3]]), labels: int32([[-100]]) } })).toThrow(
    'nothing to learn from',
  );
  expect(prepare({ kind: 'batch', batch: { input_ids: int32([[3, 4]]), labels: int32([[3]]) } })).toThrow(
    '"labels" has shape [1, 1]',
  );
});
