/** UL2 with `inputTokens`: denoisers that ask for as much text as they can use. */
import { createRandom, type HostFields, type ObjectiveContext } from '@graft/core';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { Mixture } from './mixture';
import { Ul2 } from './ul2';
import { ul2Options } from './ul2-options';

const model = { ...fakeModel('encoder-decoder'), vocabularySize: 1000 };
const make = (options: object = {}): Ul2 =>
  new Ul2(
    ul2Options.parse({
      inputTokens: 128,
      sentinels: { count: 100 },
      modeTokens: { R: 700, X: 701, S: 702 },
      ...options,
    }),
  );
const random = createRandom(3);
const STEPS = 60;
const SIZE = 4;

interface Made {
  readonly variant?: string;
  readonly asked: readonly number[];
  readonly batch: HostFields;
}

/** Batches as the loader makes them of a text that is cut to order. */
function batches(objective: Ul2 | Mixture, steps = STEPS): Made[] {
  return Array.from({ length: steps }, (_, step) => {
    const variant = objective.variantAt?.(step, random.fork('variant'));
    const context: ObjectiveContext = { model, variant, step, random: random.fork(step) };
    const asked = Array.from({ length: SIZE }, (__, i) => objective.exampleTokens(context, i)!);
    const examples = asked.map((length) => ({ tokens: int32(Array.from({ length }, (__, i) => 3 + (i % 500))) }));
    return { variant, asked, batch: objective.prepare({ kind: 'examples', examples }, context) };
  });
}

const positions = (made: readonly Made[], mask: string): { all: number; used: number } => {
  const values = made.flatMap(({ batch }) => Array.from(batch[mask].values));
  return { all: values.length, used: values.filter((one) => one === 1).length };
};

it.each(['ul2', 't5gemma2'] as const)('batches have little padding and few shapes: %s', (preset) => {
  const objective = make({ preset, inputTokens: 512, sentinels: { count: 200 }, targetTokens: 512 });
  const made = batches(objective);
  expect(new Set(made.map(({ batch }) => `${batch.input_ids.shape.join()} ${batch.labels.shape.join()}`)).size).toBe(3);
  const [encoder, decoder] = ['attention_mask', 'decoder_attention_mask'].map((mask) => positions(made, mask));
  expect((encoder.used + decoder.used) / (encoder.all + decoder.all)).toBeGreaterThan(0.95);
});

it('groups are drawn by the total weight of their denoisers, and denoisers within a group by their own', () => {
  const objective = make({ preset: 't5gemma2' });
  const counts = new Map<number, number>();
  const draws = 4000;
  for (let step = 0; step < draws; step++) {
    const variant = objective.variantAt(step, random.fork('variant'));
    const tokens = objective.exampleTokens({ model, variant, random: random.fork(step) }, 0)!;
    counts.set(tokens, (counts.get(tokens) ?? 0) + 1);
  }
  // Half of the steps of any 32 are S's, which is half of the weight.
  for (const round of [0, 1, 2]) {
    const steps = Array.from({ length: 32 }, (_, i) => objective.variantAt(32 * round + i, random.fork('variant')));
    expect(Math.abs(steps.filter((name) => name === 'S').length - 16)).toBeLessThanOrEqual(1);
  }
  // 1:1:1:1:4; each denoiser has a length of its own.
  const shares = [...counts.values()].map((count) => count / draws).sort((a, b) => a - b);
  expect(shares).toHaveLength(5);
  shares.forEach((share, i) => expect(Math.abs(share - (i < 4 ? 1 / 8 : 1 / 2))).toBeLessThan(0.03));
});

it('each example is corrupted by the denoiser that requested its length, and nothing is lost', () => {
  for (const { asked, batch } of batches(make())) {
    const { input_ids: ids, attention_mask: mask, labels } = rowsOf(batch);
    asked.forEach((length, row) => {
      const source = ids[row].filter((_, i) => mask[row][i] === 1);
      const target = labels[row].filter((label) => label !== -100);
      const isMark = (id: number): boolean => id >= 900 || id === 1 || (id >= 700 && id <= 702);
      const text = [...source, ...target].filter((id) => !isMark(id));
      expect(text).toHaveLength(length);
    });
  }
});

it('a slice of the batch draws the same as the whole batch', () => {
  const objective = make();
  const [{ asked, variant, batch }] = batches(objective, 1);
  const context = { model, variant, random: random.fork(0), firstExample: 2 };
  const examples = asked.slice(2).map((length) => ({ tokens: int32(Array.from({ length }, (_, i) => 3 + (i % 500))) }));
  expect(rowsOf(objective.prepare({ kind: 'examples', examples }, context)).labels).toEqual(
    rowsOf(batch).labels.slice(2),
  );
});

it('shorter texts are accepted, and longer ones and packed rows are refused', () => {
  const objective = make({ denoisers: [{ rate: 0.15 }], modeTokens: {} });
  const prepare = (length: number): HostFields =>
    objective.prepare({ kind: 'examples', examples: [{ tokens: int32(Array(length).fill(5)) }] }, { model, random });
  expect(prepare(50).input_ids.shape).toEqual([1, 128]);
  expect(objective.variants).toBeUndefined();
  expect(objective.exampleTokens({ model, random }, 0)).toBe(142);
  expect(() => prepare(143)).toThrow(
    expect.objectContaining({
      message:
        'Example 0 of the batch has 143 tokens, but the denoiser with rate 0.15 and meanSpan 3 takes 142 where objective.inputTokens is 128.',
      exitCode: 2,
    }),
  );
  expect(objective.inputFields('examples')!.map(({ name }) => name)).toEqual(['tokens', 'weights']);
  expect(make({ inputTokens: undefined }).exampleTokens({ model, random }, 0)).toBeUndefined();
});

it('lengths include the special tokens around a source', () => {
  const side = { bos: true, eos: true } as const;
  const policy = { encoder: side, decoder: side, teacher: { bos: 'auto' as const } };
  const around = { ...model, specialTokens: { ...model.specialTokens, policy } };
  const objective = make({ denoisers: [{ kind: 'suffix', rate: 0.5 }], modeTokens: {} });
  const tokens = objective.exampleTokens({ model: around, random }, 0)!;
  const examples = [{ tokens: int32(Array(tokens).fill(5)) }];
  const { input_ids: ids } = rowsOf(objective.prepare({ kind: 'examples', examples }, { model: around, random }));
  expect(ids[0]).toEqual([2, ...Array<number>(126).fill(5), 1]);
  expect(tokens).toBe(253);
});

it.each([69, 73, 78, 84, 128])(
  'the groups are the same with and without special tokens, which fit into %i tokens',
  (inputTokens) => {
    const side = { bos: true, eos: true } as const;
    const policy = { encoder: side, decoder: side, teacher: { bos: 'auto' as const } };
    const around = { ...model, specialTokens: { ...model.specialTokens, policy } };
    const objective = make({ inputTokens, modeTokens: {}, suffixEos: false });
    for (const variant of objective.variants!) {
      const context = { model: around, random, variant };
      const tokens = objective.exampleTokens(context, 0)!;
      const examples = [{ tokens: int32(Array(tokens).fill(5)) }];
      const { input_ids: ids } = rowsOf(objective.prepare({ kind: 'examples', examples }, context));
      expect(ids[0].slice(0, inputTokens).filter((id) => id === 2 || id === 1)).toEqual([2, 1]);
    }
  },
);

it('too few sentinels for these lengths are refused before the first step', () => {
  const objective = make({ inputTokens: 1024, sentinels: { count: 100 } });
  expect(() => objective.settle({ model })).toThrow(
    '1534 tokens need 256 sentinels: the denoiser with rate 0.5 and meanSpan 3',
  );
  expect(make().settle({ model }).notes.at(-1)).toBe(
    'Denoisers read tokens of text, in batches of source + target: R 141, 146 to 128 + 32; X-1 190, 226, 250 to 128 + 128; X-2 148 to 128 + 24; S 170 to 128 + 48.',
  );
});

it('ul2 with inputTokens can be a part of a mixture', () => {
  const mixture = new Mixture([{ name: 'ul2', objective: make(), rate: 1, fromStep: 0 }]);
  expect(mixture.variants).toEqual(['ul2/R', 'ul2/X-1', 'ul2/X-2', 'ul2/S']);
  expect(batches(mixture, 5)).toHaveLength(5);
});

it('suffixEos puts an end token after the target of a suffix', () => {
  const options = { denoisers: [{ kind: 'suffix', rate: 0.25 }], modeTokens: {}, inputTokens: undefined };
  const target = (objective: Ul2): number[] => {
    const example = {
      tokens: int32([5, 6, 7, 8]),
      weights: { dtype: 'float32' as const, shape: [4], values: Float32Array.of(1, 1, 1, 0.5) },
    };
    const batch = objective.prepare({ kind: 'examples', examples: [example] }, { model, random });
    const weights = Array.from(batch.label_weights.values).filter((weight) => weight > 0);
    return [...rowsOf(batch).labels[0].filter((label) => label !== -100), ...weights];
  };
  expect(target(make(options))).toEqual([8, 0.5]);
  expect(target(make({ ...options, suffixEos: true }))).toEqual([8, 1, 0.5, 0.5]);
  expect(make({ ...options, suffixEos: true }).neededLengths(100)).toEqual({ source: 75, target: 26 });
});

it.each([
  [{ inputTokens: undefined, targetTokens: 64 }, 'targetTokens'],
  [{ maxSourceTokens: 64 }, 'maxSourceTokens'],
  [{ maxTargetTokens: 64 }, 'maxTargetTokens'],
])('contradictory limits are refused: %j', (options, key) => {
  const { error } = ul2Options.safeParse({ inputTokens: 128, ...options });
  expect(error!.issues[0].path).toEqual([key]);
});
