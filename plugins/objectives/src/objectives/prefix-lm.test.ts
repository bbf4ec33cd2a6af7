import { createRandom, type ObjectiveSource } from '@graft/core';
import fc from 'fast-check';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { PrefixLm, prefixLmOptions } from './prefix-lm';

const make = (options: object = {}): PrefixLm => new PrefixLm(prefixLmOptions.parse(options));
const model = fakeModel('encoder-decoder');
const context = { model, random: createRandom(0) };
const examples = (...rows: number[][]): ObjectiveSource => ({
  kind: 'examples',
  examples: rows.map((tokens) => ({ tokens: int32(tokens) })),
});

it('prefix-lm gives the docstring example', () => {
  expect(rowsOf(make({ padToMultipleOf: 1 }).prepare(examples([5, 6, 7, 8, 9, 1]), context))).toEqual({
    input_ids: [[5, 6, 7]],
    attention_mask: [[1, 1, 1]],
    decoder_input_ids: [[2, 8, 9]],
    decoder_attention_mask: [[1, 1, 1]],
    labels: [[8, 9, 1]],
  });
});

it('the target gets the odd token, and shorter rows are padded', () => {
  const batch = rowsOf(make({ padToMultipleOf: 2 }).prepare(examples([3, 4, 5, 6, 7], [8, 9]), context));
  expect(batch.input_ids).toEqual([
    [3, 4],
    [8, 0],
  ]);
  expect(batch.attention_mask).toEqual([
    [1, 1],
    [1, 0],
  ]);
  expect(batch.labels).toEqual([
    [5, 6, 7, -100],
    [9, -100, -100, -100],
  ]);
  expect(batch.decoder_input_ids).toEqual([
    [2, 5, 6, 7],
    [2, 9, 0, 0],
  ]);
});

it('no token is lost and the order is kept, wherever the text is split', () => {
  const rows = fc.array(fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 2, maxLength: 20 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(rows, fc.constantFrom('half', 'random'), fc.integer(), (tokens, split, seed) => {
      const batch = rowsOf(
        make({ split, padToMultipleOf: 3 }).prepare(examples(...tokens), { model, random: createRandom(seed) }),
      );
      tokens.forEach((row, i) => {
        const source = batch.input_ids[i].filter((_, k) => batch.attention_mask[i][k] === 1);
        const target = batch.labels[i].filter((label) => label !== -100);
        expect([...source, ...target]).toEqual(row);
        expect(source.length).toBeGreaterThan(0);
        expect(target.length).toBeGreaterThan(0);
        if (split === 'half') expect(target.length - source.length).toBe(row.length % 2);
      });
    }),
  );
});

it('a random split is uniform and repeatable, and always gives the same shape', () => {
  const objective = make({ split: 'random', padToMultipleOf: 1 });
  const prefixes = Array.from({ length: 600 }, (_, seed) => {
    const once = objective.prepare(examples([3, 4, 5, 6]), { model, random: createRandom(seed) });
    expect(objective.prepare(examples([3, 4, 5, 6]), { model, random: createRandom(seed) })).toEqual(once);
    expect([once.input_ids.shape, once.labels.shape]).toEqual([
      [1, 3],
      [1, 3],
    ]);
    return Array.from(once.attention_mask.values).reduce((sum, one) => sum + one, 0);
  });
  // 200 expected of each; six standard deviations are 70.
  for (const prefix of [1, 2, 3]) expect(Math.abs(prefixes.filter((p) => p === prefix).length - 200)).toBeLessThan(70);
});

it('a ready batch is used as it is', () => {
  const batch = { input_ids: int32([[5, 6, 7]]), labels: int32([[8, 9, 1]]) };
  expect(rowsOf(make().prepare({ kind: 'batch', batch }, context))).toEqual({
    input_ids: [[5, 6, 7]],
    attention_mask: [[1, 1, 1]],
    decoder_input_ids: [[2, 8, 9]],
    decoder_attention_mask: [[1, 1, 1]],
    labels: [[8, 9, 1]],
  });
});

it('single tokens and decoder-only models are refused', () => {
  expect(() => make().prepare(examples([3]), context)).toThrow(
    '"tokens" has length 1, but a prefix and a target need at least 2',
  );
  expect(() => make().prepare(examples([3, 4]), { ...context, model: fakeModel('decoder-only') })).toThrow(
    'but this model is decoder-only',
  );
});
