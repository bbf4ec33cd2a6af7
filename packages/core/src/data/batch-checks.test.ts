import { checkContract, checkFields, checkLabels } from './batch-checks';
import type { FieldSpec, HostArray } from '../interfaces';

const ids: FieldSpec = { name: 'ids', dtype: 'int32', rank: 2 };
const array = (shape: number[], values = new Int32Array(shape.reduce((a, b) => a * b, 1))): HostArray => ({
  dtype: 'int32',
  shape,
  values,
});

test.each<[string, Record<string, HostArray>, string]>([
  [
    'a field that is null',
    { ids: null as never, other: array([1]) },
    'Here lacks the field "ids" (int32, 2 dimensions); it has other.',
  ],
  ['nothing at all', undefined as never, 'Here lacks the field "ids" (int32, 2 dimensions); it has nothing.'],
  ['a missing field', { other: array([1]) }, 'Here lacks the field "ids" (int32, 2 dimensions); it has other.'],
  [
    'a wrong dtype',
    { ids: { dtype: 'float32', shape: [1, 1], values: new Float32Array(1) } },
    'Here: field "ids" should be int32, but is float32.',
  ],
  [
    'a dtype that lies',
    { ids: { dtype: 'int32', shape: [1, 1], values: new Float32Array(1) } },
    'Here: field "ids" says int32, but its values are a Float32Array.',
  ],
  ['a wrong rank', { ids: array([3]) }, 'Here: field "ids" should have 2 dimensions, but has shape [3].'],
  ['a shape that lies', { ids: array([2, 2], new Int32Array(3)) }, 'Here: field "ids" has shape [2, 2], but 3 values.'],
])("%s is reported with the field's name", (_, fields, message) => {
  expect(() => checkFields(fields, [ids], 'Here')).toThrow(message);
});

test('valid fields pass, and optional fields may be missing', () => {
  expect(() =>
    checkFields({ ids: array([2, 3]) }, [ids, { ...ids, name: 'mask', optional: true }], 'Here'),
  ).not.toThrow();
});

test('a batch in which every label is ignored is rejected', () => {
  const labels = (...values: number[]): Record<string, HostArray> => ({
    labels: array([1, values.length], Int32Array.from(values)),
  });
  expect(() => checkLabels(labels(-100, -100), 'The batch for step 4')).toThrow(
    'The batch for step 4: every label is -100 (ignored), so there is nothing to learn from.',
  );
  expect(() => checkLabels(labels(-100, 5), 'x')).not.toThrow();
});

test('a dataset that lacks fields of the objective is reported before the run', () => {
  expect(() =>
    checkContract([{ name: 'tokens', dtype: 'int32', rank: 1 }], [ids], 'the dataset', 'the objective'),
  ).toThrow('the objective wants the field "ids", which the dataset does not give (it gives tokens).');
  expect(() => checkContract([{ ...ids, rank: 1 }], [ids], 'A', 'B')).toThrow(
    'B wants "ids" as int32 of 2 dimensions, but A gives int32 of 1.',
  );
  for (const given of [[], [{ ...ids, rank: 1 }]])
    expect(() => checkContract(given, [ids], 'A', 'B')).toThrow(expect.objectContaining({ exitCode: 2 }) as Error);
  expect(() => checkContract([ids, { ...ids, name: 'segments', mustBeUsed: true }], [ids], 'A', 'B')).toThrow(
    'A gives the field "segments" (int32), without which the others mean something else, but B does not take it.',
  );
});
