import { createRandom, type ObjectiveSource } from '@graft/core';
import { fakeModel, int32, rowsOf } from '../test-support/fake-model';
import { CausalLm, causalLmOptions } from './causal-lm';

const make = (options: object = {}): CausalLm => new CausalLm(causalLmOptions.parse(options));
const context = { model: fakeModel('decoder-only'), random: createRandom(0) };
const examples = (...rows: number[][]): ObjectiveSource => ({
  kind: 'examples',
  examples: rows.map((tokens) => ({ tokens: int32(tokens) })),
});

it('gives the docstring example', () => {
  expect(rowsOf(make({ padToMultipleOf: 6 }).prepare(examples([5, 6, 7, 8, 9, 1]), context))).toEqual({
    input_ids: [[5, 6, 7, 8, 9, 0]],
    attention_mask: [[1, 1, 1, 1, 1, 0]],
    labels: [[6, 7, 8, 9, 1, -100]],
  });
});

it('takes ready batches with labels that are aligned already', () => {
  const batch = { input_ids: int32([[5, 6, 0]]), labels: int32([[6, 7, -100]]) };
  expect(rowsOf(make().prepare({ kind: 'batch', batch }, context))).toEqual({
    ...rowsOf(batch),
    attention_mask: [[1, 1, 1]],
  });
  const masked = { ...batch, attention_mask: int32([[1, 1, 0]]) };
  expect(rowsOf(make().prepare({ kind: 'batch', batch: masked }, context))).toEqual(rowsOf(masked));
});

it('names what is wrong', () => {
  const prepare = (source: ObjectiveSource) => () => make().prepare(source, context);
  expect(() => make().prepare(examples([3, 4]), { ...context, model: fakeModel('encoder-decoder') })).toThrow(
    'The objective "causal-lm" trains decoder-only models, but this model is encoder-decoder.',
  );
  expect(prepare(examples([3]))).toThrow('needs at least 2');
  expect(prepare(examples([3, 99]))).toThrow('"labels" holds 99');
  expect(prepare({ kind: 'batch', batch: { input_ids: int32([[3]]), labels: int32([[-100]]) } })).toThrow(
    'nothing to learn from',
  );
  expect(prepare({ kind: 'batch', batch: { input_ids: int32([[3, 4]]), labels: int32([[3]]) } })).toThrow(
    '"labels" has shape [1, 1]',
  );
});
