import { checkSource, createRandom, type Dataset, type HostFields, type Objective } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import fc from 'fast-check';
import { fakeModel, int32 } from '../../test-support/fake-model';
import { CausalLm, causalLmOptions } from './causal-lm';
import { Mixture, type MixtureMember } from './mixture';
import { PrefixLm, prefixLmOptions } from './prefix-lm';
import { Seq2Seq, seq2seqOptions } from './seq2seq';
import { Ul2 } from './ul2';
import { ul2Options } from './ul2-options';

const model = { ...fakeModel('encoder-decoder'), vocabularySize: 1000 };
const random = createRandom(3);
const prefixLm = (): Objective => new PrefixLm(prefixLmOptions.parse({ padToMultipleOf: 4 }));
const ul2 = (): Objective => new Ul2(ul2Options.parse({ sentinels: [10, 11], padToMultipleOf: 4 }));
const member = (name: string, objective: Objective, more: Partial<MixtureMember> = {}): MixtureMember => ({
  name,
  objective,
  rate: 1,
  fromStep: 0,
  ...more,
});
const names = (mixture: Mixture, steps: number, from = 0, stream = random): string[] =>
  Array.from({ length: steps }, (_, i) => mixture.variantAt(from + i, stream));
const tokens = { tokens: int32([5, 6, 7, 8, 9, 10, 11, 1]) };

beforeAll(() => openEngine({ mode: 'portable' }));

it('a mixture switches parts by step, as in the docstring example', () => {
  const mixture = new Mixture([
    member('prefix-lm', prefixLm(), { untilStep: 900 }),
    member('ul2', ul2(), { fromStep: 900 }),
  ]);
  expect(names(mixture, 901)).toEqual([...Array<string>(900).fill('prefix-lm'), 'ul2']);
});

it('steps draw parts by their rates, independently of earlier draws', () => {
  fc.assert(
    fc.property(
      fc
        .array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 })
        .filter((rates) => rates.some((r) => r > 0)),
      fc.integer(),
      fc.integer({ min: 0, max: 400 }),
      (rates, seed, from) => {
        const mixture = new Mixture(rates.map((rate, i) => member(`m${i}`, prefixLm(), { rate })));
        const steps = 600;
        const drawn = names(mixture, steps, 0, createRandom(seed));
        expect(names(mixture, 100, from, createRandom(seed))).toEqual(
          names(mixture, from + 100, 0, createRandom(seed)).slice(from),
        );
        const total = rates.reduce((sum, rate) => sum + rate, 0);
        rates.forEach((rate, i) => {
          const share = rate / total;
          const count = drawn.filter((name) => name === `m${i}`).length;
          // Six standard deviations.
          expect(Math.abs(count - steps * share)).toBeLessThanOrEqual(6 * Math.sqrt(steps * share * (1 - share)));
        });
      },
    ),
    { numRuns: 20 },
  );
});

it('batches and losses go to the part that was drawn, and metrics carry its name', () => {
  const small = fakeModel('encoder-decoder');
  const mixture = new Mixture([
    member('lm', prefixLm()),
    member('pairs', new Seq2Seq(seq2seqOptions.parse({ padToMultipleOf: 4 }))),
  ]);
  const context = { model: small, random, step: 0 };
  const batch = mixture.prepare({ kind: 'examples', examples: [tokens] }, { ...context, variant: 'lm' });
  expect(batch).toEqual(prefixLm().prepare({ kind: 'examples', examples: [tokens] }, context));
  expect(mixture.countTokens(batch)).toBe(8);
  expect(mixture.countTokens(batch, 'lm')).toBe(8);
  const upload = (fields: HostFields): Record<string, tf.Tensor> =>
    Object.fromEntries(
      Object.entries(fields).map(([k, { values, shape }]) => [k, tf.tensor(values, [...shape], 'int32')]),
    );
  const { loss, metrics, sums } = mixture.loss(small, { table: tf.zeros([12, 12]) }, upload(batch), {
    training: true,
    variant: 'lm',
  });
  expect(loss.dataSync()[0]).toBeCloseTo(Math.log(12), 5);
  expect(Object.keys(metrics!)).toEqual(['loss/lm']);
  expect(sums!.targetTokens.dataSync()[0]).toBe(4);
  expect(mixture.inputFields('examples', 'pairs')!.map(({ name }) => name)).toEqual([
    'source',
    'target',
    'weights',
    'source_segments',
    'target_segments',
  ]);
  expect(() => mixture.prepare({ kind: 'examples', examples: [tokens] }, context)).toThrow(
    'asked for a batch, but not for which of its parts (lm, pairs)',
  );
});

it('a mixture counts the tokens of a batch as the member that made it, nested mixtures included', () => {
  const counting = (tokens: number): Objective => {
    const objective = prefixLm();
    objective.countTokens = () => tokens;
    return objective;
  };
  const inner = new Mixture([member('low', counting(3)), member('high', counting(5))]);
  const mixture = new Mixture([member('a', counting(2)), member('b', inner)]);
  const counted = ['a', 'b/low', 'b/high'].map((variant) => mixture.countTokens({}, variant));
  expect(counted).toEqual([2, 3, 5]);
});

it('estimates count the targets of the part that a step draws', () => {
  const twice: Objective = Object.assign(prefixLm(), { targetsPerRow: () => 2 });
  const inner = new Mixture([member('one', prefixLm()), member('two', twice)]);
  const mixture = new Mixture([member('a', twice), member('b', inner)]);
  expect(['a', 'b/one', 'b/two'].map((variant) => mixture.targetsPerRow(variant))).toEqual([2, 1, 2]);
});

it('the batch fields of a mixture are those of all parts', () => {
  const { batchFields } = new Mixture([member('lm', prefixLm()), member('ul2', ul2())]);
  expect(batchFields.find(({ name }) => name === 'labels')!.optional).toBeFalsy();
  expect(batchFields.find(({ name }) => name === 'label_weights')!.optional).toBe(true);
});

it('every part is checked against the model at the first batch, including those that start later', () => {
  const mixture = new Mixture([
    member('lm', prefixLm(), { untilStep: 900 }),
    member('ul2', new Ul2(ul2Options.parse({ sentinels: { count: 1001 } })), { fromStep: 900 }),
  ]);
  const context = { model, random, step: 0, variant: 'lm' };
  expect(() => mixture.prepare({ kind: 'examples', examples: [tokens] }, context)).toThrow(
    'the 1001 sentinels go down',
  );
});

it('a mixture may be a part of a mixture', () => {
  const inner = new Mixture([member('a', prefixLm(), { untilStep: 2 }), member('b', ul2(), { fromStep: 2 })]);
  const outer = new Mixture([member('in', inner)]);
  expect(outer.variants).toEqual(['in/a', 'in/b']);
  expect(names(outer, 3)).toEqual(['in/a', 'in/a', 'in/b']);
  const batch = outer.prepare({ kind: 'examples', examples: [tokens] }, { model, random, step: 0, variant: 'in/a' });
  expect(batch.labels.shape).toEqual([1, 4]);
});

it('a dataset may name a part with variants, whether or not the part lists them', () => {
  const wavering = (variants?: string[]): Objective => {
    const plain = prefixLm();
    return {
      batchFields: plain.batchFields,
      variants,
      inputFields: (kind) => plain.inputFields(kind),
      variantAt: (step) => (step % 2 ? 'low' : 'high'),
      prepare: (source, context) => plain.prepare(source, context),
      loss: (...given) => plain.loss(...given),
    };
  };
  const objective = new Mixture([member('a', wavering(['low', 'high'])), member('b', wavering())]);
  expect(objective.variants).toEqual(['a/low', 'a/high', 'b']);
  expect(new Set(names(objective, 50))).toEqual(new Set(['a/low', 'a/high', 'b/low', 'b/high']));
  const data = (...variants: string[]): Dataset =>
    ({ kind: 'examples', fields: [{ name: 'tokens', dtype: 'int32', rank: 1 }], variants }) as unknown as Dataset;
  expect(() => checkSource(data('a', 'b', 'a/low'), objective)).not.toThrow();
  expect(() => checkSource(data('a/no'), objective)).toThrow(
    'has items for "a/no", but the objective has "a/low", "a/high", "b".',
  );
  for (const variant of ['b', 'b/low'])
    expect(
      objective.prepare({ kind: 'examples', examples: [tokens] }, { model, random, step: 0, variant }).labels.shape,
    ).toEqual([1, 4]);
});

it.each<[string, () => Mixture, string]>([
  [
    'parts for two kinds of models',
    () => new Mixture([member('lm', prefixLm()), member('next', new CausalLm(causalLmOptions.parse({})))]),
    '"lm" trains encoder-decoder models, "next" decoder-only models',
  ],
  ['a duplicate name', () => new Mixture([member('lm', prefixLm()), member('lm', ul2())]), 'two parts are called "lm"'],
  ['rates of 0', () => new Mixture([member('lm', prefixLm(), { rate: 0 })]), 'after 0 steps there is no part'],
  [
    'a gap between two parts',
    () => new Mixture([member('lm', prefixLm(), { untilStep: 5 }), member('ul2', ul2(), { fromStep: 7 })], 10),
    'after 5 steps there is no part',
  ],
  [
    'an end before the end of the run',
    () => new Mixture([member('lm', prefixLm(), { untilStep: 9 })], 10),
    'after 9 steps there is no part',
  ],
])('a mixture with %s is refused', (_, make, message) => {
  expect(make).toThrow(message);
});

it('the last part may end with the run', () => {
  expect(() => new Mixture([member('lm', prefixLm(), { untilStep: 10 })], 10)).not.toThrow();
});
