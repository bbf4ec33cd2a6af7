import { createRandom, type ObjectiveSource } from '@graft/core';
import fc from 'fast-check';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { PrefixLm } from './prefix-lm';
import { UL2_PRESETS, type Denoiser } from '../corruption/denoisers';
import { Ul2 } from './ul2';
import { ul2Options } from './ul2-options';

const VOCABULARY = 1000;
const model = { ...fakeModel('encoder-decoder'), vocabularySize: VOCABULARY, readsSegments: true };
const make = (options: object = {}): Ul2 => new Ul2(ul2Options.parse({ sentinels: { count: 100 }, ...options }));
const examples = (...rows: number[][]): ObjectiveSource => ({
  kind: 'examples',
  examples: rows.map((tokens) => ({ tokens: int32(tokens) })),
});
const counting = (length: number): number[] => Array.from({ length }, (_, i) => 3 + i);

/** Source and target of the first row, without padding. */
function rowOf(objective: Ul2, tokens: number[], seed = 0): { source: number[]; target: number[] } {
  const batch = rowsOf(objective.prepare(examples(tokens), { model, random: createRandom(seed) }));
  return {
    source: batch.input_ids[0].filter((_, k) => batch.attention_mask[0][k] === 1),
    target: batch.labels[0].filter((label) => label !== -100),
  };
}

/** Puts the target's spans back in the place of their sentinels. */
function restore(source: number[], target: number[], isSentinel: (id: number) => boolean): number[] {
  const spans = new Map<number, number[]>();
  let current: number[] | undefined;
  for (const id of target) {
    if (isSentinel(id)) spans.set(id, (current = []));
    else current!.push(id);
  }
  return source.flatMap((id) => (isSentinel(id) ? spans.get(id)! : [id]));
}

test('an end token is refused if the model has none', () => {
  const endless = { ...model, specialTokens: { ...model.specialTokens, eos: [] } };
  const prepare = (appendEos: boolean): unknown =>
    make({ appendEos }).prepare(examples(counting(40)), { model: endless, random: createRandom(0) });
  expect(() => prepare(true)).toThrow(/ends targets with the end token \(appendEos\), but the model has none/);
  expect(prepare(false)).toBeDefined();
});

describe('the ul2 objective', () => {
  const denoisers = fc.record({
    meanSpan: fc.double({ min: 1, max: 20, noNaN: true }),
    rate: fc.double({ min: 0.05, max: 0.8, noNaN: true }),
  });

  test('no token is lost, the order is kept, and each sentinel is used once', () => {
    fc.assert(
      fc.property(denoisers, fc.integer({ min: 2, max: 200 }), fc.integer(), (given, length, seed) => {
        const objective = make({ denoisers: [given], sentinels: { count: 300, first: VOCABULARY - 1 } });
        const tokens = counting(length);
        const { source, target } = rowOf(objective, tokens, seed);
        const isSentinel = (id: number): boolean => id >= VOCABULARY - 300;
        expect(target[target.length - 1]).toBe(model.specialTokens.eos[0]);
        const body = target.slice(0, -1);
        expect(isSentinel(body[0])).toBe(true);
        expect(restore(source, body, isSentinel)).toEqual(tokens);
        const used = source.filter(isSentinel);
        expect(used).toEqual(used.map((_, i) => VOCABULARY - 1 - i));
        expect(body.filter(isSentinel)).toEqual(used);
      }),
    );
  });

  const mixtures = fc.record({
    // Any token but the sentinels and mode tokens may come, also several times, also eos and pad in the midst.
    rows: fc.array(fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 2, maxLength: 120 }), {
      minLength: 1,
      maxLength: 5,
    }),
    denoisers: fc.array(
      fc.record({
        kind: fc.constantFrom('span' as const, 'suffix' as const),
        meanSpan: fc.double({ min: 1, max: 80, noNaN: true }),
        rate: fc.double({ min: 0.02, max: 0.95, noNaN: true }),
        weight: fc.integer({ min: 1, max: 4 }),
        prefix: fc.constantFrom('R', 'S', 'X'),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    appendEos: fc.boolean(),
    seed: fc.integer(),
  });

  const MODES: Record<string, number> = { R: 900, X: 901, S: 902 };
  /** Those that the denoisers name: others are refused. */
  const modesOf = (given: readonly { prefix: string }[]): Record<string, number> =>
    Object.fromEntries(given.map(({ prefix }) => [prefix, MODES[prefix]]));

  test('random rows, denoisers and modes lose no token and keep the order, and a seed repeats the batch', () => {
    const modes = [900, 901, 902];
    const isSentinel = (id: number): boolean => id >= 700 && id < 900;
    fc.assert(
      fc.property(mixtures, ({ rows, seed, ...given }) => {
        const options = { ...given, modeTokens: modesOf(given.denoisers), sentinels: { first: 899, count: 200 } };
        const prepare = (): ReturnType<Ul2['prepare']> =>
          make(options).prepare(examples(...rows), { model, random: createRandom(seed) });
        const host = prepare();
        expect(prepare()).toEqual(host);
        const batch = rowsOf(host);
        rows.forEach((tokens, i) => {
          const [mode, ...source] = batch.input_ids[i].filter((_, k) => batch.attention_mask[i][k] === 1);
          const target = batch.labels[i].filter((label) => label !== -100);
          // The decoder reads what it writes, one to the right.
          expect(batch.decoder_input_ids[i].slice(0, target.length)).toEqual([2, ...target.slice(0, -1)]);
          expect(modes).toContain(mode);
          if (!isSentinel(target[0])) return expect([...source, ...target]).toEqual(tokens);
          if (options.appendEos) expect(target.pop()).toBe(1);
          expect(restore(source, target, isSentinel)).toEqual(tokens);
        });
      }),
    );
  });

  test('each sequence of a packed row is corrupted by itself', () => {
    const isSentinel = (id: number): boolean => id >= 700 && id < 900;
    fc.assert(
      fc.property(mixtures, fc.integer({ min: 0, max: 3 }), ({ rows, seed, ...given }, filling) => {
        const options = { ...given, modeTokens: modesOf(given.denoisers), sentinels: { first: 899, count: 200 } };
        const objective = make({ ...options, padToMultipleOf: 1 });
        // In front a segment of one token, which can only be left out, and filling behind.
        const tokens = int32([5, ...rows.flat(), ...Array<number>(filling).fill(0)]);
        const numbers = rows.flatMap((row, i) => row.map(() => i + 2));
        const segments = int32([1, ...numbers, ...Array<number>(filling).fill(0)]);
        const source: ObjectiveSource = { kind: 'examples', examples: [{ tokens, segments }] };
        const batch = rowsOf(objective.prepare(source, { model, random: createRandom(seed) }));
        rows.forEach((row, k) => {
          const [mode, ...read] = batch.input_ids[0].filter((_, i) => batch.segment_ids[0][i] === k + 1);
          const own = (_: number, i: number): boolean => batch.decoder_segment_ids[0][i] === k + 1;
          const target = batch.labels[0].filter(own);
          expect(batch.decoder_input_ids[0].filter(own)).toEqual([2, ...target.slice(0, -1)]);
          expect([900, 901, 902]).toContain(mode);
          if (!isSentinel(target[0])) return expect([...read, ...target]).toEqual(row);
          if (options.appendEos) expect(target.pop()).toBe(1);
          expect(target[0]).toBe(899);
          expect(restore(read, target, isSentinel)).toEqual(row);
        });
        const used = Math.max(...batch.segment_ids[0]);
        expect([used, Math.max(...batch.decoder_segment_ids[0])]).toEqual([rows.length, rows.length]);
        // Nothing longer than the longest denoisers need together.
        const needed = rows.map((row) => objective.neededLengths(row.length));
        expect(batch.input_ids[0]).toHaveLength(needed.reduce((all, one) => all + one.source, 0));
        expect(batch.labels[0]).toHaveLength(needed.reduce((all, one) => all + one.target, 0));
      }),
    );
  });

  test('a row with one segment is corrupted like the same row without segments', () => {
    const tokens = counting(90);
    const rowsWith = (extra: object): Record<string, number[][]> => {
      const source: ObjectiveSource = { kind: 'examples', examples: [{ tokens: int32(tokens), ...extra }] };
      const rows = rowsOf(make().prepare(source, { model, random: createRandom(8) }));
      // What the padding reads is of no account.
      const [mask] = rows.decoder_attention_mask;
      return { ...rows, decoder_input_ids: [rows.decoder_input_ids[0].filter((_, i) => mask[i] === 1)] };
    };
    const { segment_ids, decoder_segment_ids, ...rest } = rowsWith({ segments: int32(tokens.map(() => 1)) });
    expect(rest).toEqual(rowsWith({}));
    expect(segment_ids).toEqual(rest.attention_mask);
    expect(decoder_segment_ids).toEqual(rest.decoder_attention_mask);
  });

  test('a model that mixes segments is refused, and so is a row whose segments are all too short', () => {
    const source = (segments: number[]): ObjectiveSource => ({
      kind: 'examples',
      examples: [{ tokens: int32(counting(segments.length)), segments: int32(segments) }],
    });
    const context = { model, random: createRandom(0) };
    const mixing = { ...context, model: { ...model, readsSegments: undefined } };
    expect(() => make().prepare(source([1, 1, 2, 2]), mixing)).toThrow('this model does not keep them apart');
    expect(() => make().prepare(source([1, 2, 3]), context)).toThrow('has no segment of at least 2 tokens');
  });

  test('a sentinel has the weight of its span, and the end token that of the last token', () => {
    const weights = {
      dtype: 'float32',
      shape: [90],
      values: Float32Array.from({ length: 90 }, (_, i) => i % 4),
    } as const;
    const tokens = counting(90);
    fc.assert(
      fc.property(fc.constantFrom('ul2', 't5gemma2'), fc.boolean(), fc.integer(), (preset, appendEos, seed) => {
        const batch = rowsOf(
          make({ preset, appendEos }).prepare(
            { kind: 'examples', examples: [{ tokens: int32(tokens), weights }] },
            { model, random: createRandom(seed) },
          ),
        );
        const target = batch.decoder_attention_mask[0].filter((one) => one === 1).length;
        // Labels of weight 0 are none; what the decoder reads is all of the target but its last.
        const read = batch.decoder_input_ids[0].slice(1, target);
        const weightOf = (id: number): number => (id - 3) % 4;
        read.forEach((id, i) => {
          const expected = id >= 900 ? weightOf(read[i + 1] ?? batch.labels[0][i + 1]) : weightOf(id);
          expect(batch.label_weights[0][i]).toBe(expected);
          expect(batch.labels[0][i]).toBe(expected === 0 ? -100 : id);
        });
        const last = batch.labels[0][target - 1];
        expect(batch.label_weights[0][target - 1]).toBe(last === 1 ? 89 % 4 : weightOf(last));
      }),
    );
  });

  test('different seeds give different noise', () => {
    const batches = [...Array(20).keys()].map((seed) => JSON.stringify(rowOf(make(), counting(128), seed)));
    expect(new Set(batches).size).toBeGreaterThan(15);
  });

  test('a suffix denoiser splits a text like a prefix LM', () => {
    expect(rowOf(make({ denoisers: [{ kind: 'suffix', rate: 0.25 }] }), [5, 6, 7, 8, 9, 10, 11, 1])).toEqual({
      source: [5, 6, 7, 8, 9, 10],
      target: [11, 1],
    });
  });

  test('denoisers are drawn by their weights, with their mode tokens', () => {
    const given: Partial<Denoiser>[] = [
      { meanSpan: 3, rate: 0.15, weight: 1, prefix: 'R' },
      { meanSpan: 3, rate: 0.5, weight: 0, prefix: 'X' },
      { kind: 'suffix', rate: 0.5, weight: 3, prefix: 'S' },
    ];
    const objective = make({ denoisers: given, modeTokens: { R: 890, X: 891, S: 892 } });
    const counts = new Map<number, number>();
    const random = createRandom(1);
    const draws = 2000;
    for (let i = 0; i < draws; i++) {
      const [[mode]] = rowsOf(objective.prepare(examples(counting(20)), { model, random: random.fork(i) })).input_ids;
      counts.set(mode, (counts.get(mode) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([890, 892]);
    // Within five standard deviations of a quarter.
    expect(Math.abs(counts.get(890)! - draws / 4)).toBeLessThan(5 * Math.sqrt((draws * 3) / 16));
  });

  test.each(['ul2', 't5gemma2'] as const)(
    'the preset %s gives one shape per length, and the same batch for the same seed',
    (preset) => {
      const objective = make({ preset });
      const shapes = new Set<string>();
      for (let seed = 0; seed < 40; seed++) {
        const prepare = (): ReturnType<Ul2['prepare']> =>
          objective.prepare(examples(counting(128)), { model, random: createRandom(seed) });
        const batch = prepare();
        shapes.add(`${batch.input_ids.shape.join()} ${batch.labels.shape.join()}`);
        expect(prepare()).toEqual(batch);
      }
      expect(shapes.size).toBe(1);
    },
  );

  test('the presets are the published mixtures', () => {
    expect(
      UL2_PRESETS.ul2.map(({ kind, meanSpan, rate, weight }) =>
        kind === 'suffix' ? ['S', rate, weight] : [meanSpan, rate, weight],
      ),
    ).toEqual([
      [3, 0.15, 1],
      [8, 0.15, 1],
      [3, 0.5, 1],
      [8, 0.5, 1],
      [64, 0.15, 1],
      [64, 0.5, 1],
      ['S', 0.25, 1],
    ]);
    expect(
      UL2_PRESETS.t5gemma2.map(({ kind, meanSpan, rate, weight }) =>
        kind === 'suffix' ? ['S', rate, weight] : [meanSpan, rate, weight],
      ),
    ).toEqual([
      [3, 0.15, 1],
      [12, 0.5, 1],
      [32, 0.15, 1],
      [32, 0.5, 1],
      ['S', 0.75, 4],
    ]);
  });

  test('the error for a limit that is too low names the length that is needed', () => {
    const few = { denoisers: [{ meanSpan: 2, rate: 0.5 }] };
    const asked = (message: string): Error => expect.objectContaining({ message, exitCode: 2 }) as Error;
    expect(() => rowOf(make({ ...few, sentinels: { count: 10 } }), counting(100))).toThrow(
      asked(
        '100 tokens need 25 sentinels: the denoiser with rate 0.5 and meanSpan 2 makes as many spans of them, but there are 10.',
      ),
    );
    expect(() => rowOf(make({ ...few, maxSourceTokens: 70 }), counting(100))).toThrow(
      asked('The longest source of this mixture takes 75 tokens, but objective.maxSourceTokens is 70.'),
    );
    expect(() => rowOf(make({ ...few, maxTargetTokens: 70 }), counting(100))).toThrow(
      asked('The longest target of this mixture takes 76 tokens, but objective.maxTargetTokens is 70.'),
    );
    expect(() => rowOf(make(), [5])).toThrow(
      'Example 0 of the batch: "tokens" has length 1, but denoising needs at least 2.',
    );
  });

  test('weights that are all 0, and a prefix without a token, are refused when the objective is created', () => {
    expect(() => make({ denoisers: [{ rate: 0.5, weight: 0 }] })).toThrow('objective.denoisers: every weight is 0');
    expect(() => make({ denoisers: [{ rate: 0.5, prefix: 'R' }] })).toThrow(
      'the prefix "R" has no id in objective.modeTokens.',
    );
  });
});

it.each([
  ['ul2', make()],
  ['prefix-lm', new PrefixLm({ split: 'random', padToMultipleOf: 32 })],
])('%s draws the same for an example in any slice of the batch', (_, objective) => {
  const all = Array.from({ length: 6 }, (__, i) => Array.from({ length: 20 + i }, (___, j) => 3 + ((i + j) % 6)));
  const prepare = (tokens: number[][], firstExample?: number): number[][] => {
    const rows = rowsOf(objective.prepare(examples(...tokens), { model, random: createRandom(4), firstExample }));
    return rows.labels.map((row) => row.filter((label) => label !== -100));
  };
  const whole = prepare(all);
  expect([...prepare(all.slice(0, 2)), ...prepare(all.slice(2, 4), 2), ...prepare(all.slice(4), 4)]).toEqual(whole);
  expect(prepare(all.slice(2, 4))).not.toEqual(whole.slice(2, 4));
});
