import { createRandom, type JsonValue, type NamedToken, type Settled, type TokenizerFacts } from '@graft/core';
import fc from 'fast-check';
import { fakeModel, int32, rowsOf } from '../../test-support/fake-model';
import { Mixture } from '../objectives/mixture';
import { idsOfStretches, stretchesOfIds } from './sentinels';
import { Ul2 } from '../objectives/ul2';
import { ul2Options, type Ul2Options } from '../objectives/ul2-options';

/** Like Gemma 2's: unused tokens behind the special ones, and one at the end. */
const named: NamedToken[] = [
  ...['<pad>', '<eos>', '<bos>'].map((token, id) => ({ id, token, kind: 'special' as const })),
  ...Array.from({ length: 20 }, (_, i) => ({ id: 7 + i, token: `<unused${i}>`, kind: 'unused' as const })),
  { id: 30, token: '<table>', kind: 'added' },
  { id: 299, token: '<unused20>', kind: 'unused' },
];
const gemma: TokenizerFacts = { vocabularySize: 300, namedTokens: named };
const bytes: TokenizerFacts = {
  vocabularySize: 259,
  namedTokens: ['<pad>', '<eos>', '<bos>'].map((token, id) => ({ id, token, kind: 'special' })),
};
const model = { ...fakeModel('encoder-decoder'), vocabularySize: 300 };
const settle = (
  options: object,
  tokenizer: TokenizerFacts | undefined = gemma,
  recorded?: Settled['record'],
): Settled => new Ul2(ul2Options.parse(options), { recorded: recorded?.ul2 }).settle({ model, tokenizer });
const recordOf = (...args: Parameters<typeof settle>): unknown => settle(...args).record.ul2;
const refused = (message: string, hint = ''): Error =>
  expect.objectContaining({
    message: expect.stringContaining(message) as unknown,
    ...(hint && { hint: expect.stringContaining(hint) as unknown }),
    exitCode: 2,
  }) as Error;

describe('sentinels and mode tokens with `auto`', () => {
  test('`auto` takes unused tokens, reserves the last ones for mode tokens, and reports both', () => {
    expect(settle({})).toMatchObject({
      notes: ['Sentinels: 18, <unused0> (7) to <unused17> (24).'],
      warnings: [],
      record: { ul2: { sentinels: [[7, 24]], reuse: false, modeTokens: {} } },
    });
    // The same sentinels: what goes on with mode tokens finds what it knows.
    expect(settle({ modeTokens: 'auto' })).toMatchObject({
      notes: [
        'Sentinels: 18, <unused0> (7) to <unused17> (24).',
        'Mode tokens: R <unused18> (25), X <unused19> (26), S <unused20> (299).',
      ],
      record: { ul2: { sentinels: [[7, 24]], modeTokens: { R: 25, X: 26, S: 299 } } },
    });
    expect(recordOf({ modeTokens: { R: 7, X: '<unused1>' } })).toMatchObject({
      sentinels: [[9, 24]],
      modeTokens: { R: 7, X: 8 },
    });
    expect(recordOf({ sentinels: { count: 5, tokens: 'auto' } })).toMatchObject({ sentinels: [[7, 11]] });
  });

  test("`auto` takes ids after the tokenizer's if it has no unused tokens", () => {
    expect(settle({ modeTokens: 'auto' }, bytes)).toMatchObject({
      notes: ['Sentinels: 38, 259 to 296.', 'Mode tokens: R 297, X 298, S 299.'],
      warnings: [],
    });
    const full = { ...bytes, vocabularySize: 300 };
    expect(() => settle({}, full)).toThrow(
      refused('its 300 tokens leave none of the model', 'Raise model.vocabularySize'),
    );
  });

  test('`auto` is refused without a known tokenizer, and explicit ids are accepted', () => {
    expect(() => new Ul2(ul2Options.parse({})).settle({ model })).toThrow(
      refused('the dataset does not tell', 'Give ids'),
    );
    expect(() => new Ul2(ul2Options.parse({ sentinels: ['<unused0>'] })).settle({ model })).toThrow(
      refused('objective.sentinels: "<unused0>" is a name, but'),
    );
    expect(new Ul2(ul2Options.parse({ sentinels: [9, 8] })).settle({ model }).tokens.sentinels).toEqual([9, 8]);
  });

  test('`auto` never takes an ordinary or special token, nor any token twice', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...(['special', 'unused', 'added', 'piece'] as const)), {
          minLength: 12,
          maxLength: 60,
        }),
        fc.integer({ min: 12, max: 80 }),
        fc.boolean(),
        (kinds, vocabularySize, modes) => {
          const tokens = kinds.flatMap((kind, id) => (kind === 'piece' ? [] : [{ id, token: `<${id}>`, kind }]));
          const tokenizer = { vocabularySize: kinds.length, namedTokens: tokens };
          const objective = new Ul2(ul2Options.parse(modes ? { modeTokens: 'auto' } : {}));
          let chosen;
          try {
            chosen = objective.settle({ model: { ...model, vocabularySize }, tokenizer }).tokens;
          } catch (error) {
            expect(error).toMatchObject({ exitCode: 2 });
            return;
          }
          const all = [...chosen.sentinels, ...Object.values(chosen.modeTokens)];
          expect(new Set(all).size).toBe(all.length);
          for (const id of all) {
            expect(id).toBeLessThan(vocabularySize);
            expect([0, 1, 2]).not.toContain(id);
            expect(['unused', undefined]).toContain(kinds[id]);
          }
        },
      ),
    );
  });
});

describe('names of tokens', () => {
  test('names are those of the tokenizer, or patterns of its unused tokens', () => {
    expect(recordOf({ sentinels: ['<unused3>', 9, '<unused1*>'] })).toMatchObject({
      sentinels: [
        [10, 8],
        [17, 26],
      ],
    });
    expect(recordOf({ sentinels: '<unused*>' })).toMatchObject({
      sentinels: [
        [7, 26],
        [299, 299],
      ],
    });
    expect(recordOf({ modeTokens: { R: '<unused20>' }, sentinels: { first: 20, count: 3 } })).toMatchObject({
      sentinels: [[20, 18]],
      modeTokens: { R: 299 },
    });
  });

  test.each([
    [
      { sentinels: ['<unsed0>'] },
      'no special, added or unused token of the tokenizer is called "<unsed0>"; it has 21 unused ones, from <unused0> to <unused20>.',
    ],
    [
      { modeTokens: { R: '<unused*>' } },
      'objective.modeTokens.R: no special, added or unused token of the tokenizer is called',
    ],
    [{ modeTokens: { R: 300 } }, 'objective.modeTokens.R is token 300, but the vocabulary has 300 tokens (0 to 299).'],
    [{ sentinels: [300] }, 'objective.sentinels name token 300, but the vocabulary has 300 tokens'],
    [{ sentinels: '<unused*>', modeTokens: { R: '<unused5>' } }, 'objective.sentinels: token 12 is the mode token R.'],
    [{ sentinels: [7, 8, 7] }, 'objective.sentinels: token 7 is there twice.'],
    [{ sentinels: [1] }, 'objective.sentinels: token 1 is an end of sequence.'],
  ])('names and ids that cannot be used are refused: %j', (options, message) => {
    expect(() => settle(options)).toThrow(refused(message));
  });

  test('tokens that occur in text are accepted with a warning', () => {
    expect(settle({ sentinels: { count: 100 } }).warnings).toEqual([
      'objective.sentinels: 99 of the 100 sentinels (298, 297, 296, …) are tokens that text can produce, so that the model cannot distinguish them from text; `sentinels: auto` takes unused ones.',
    ]);
    expect(settle({ modeTokens: { R: '<table>' } }).warnings).toEqual([
      'objective.modeTokens.R: <table> (30) is a token that text can produce; `modeTokens: auto` takes an unused one.',
    ]);
    expect(settle({ sentinels: { first: 7, step: 1, count: 20 } }).warnings).toEqual([]);
  });

  test('tokens that occur in text are an error in a new run, unless it allows them or the checkpoint was trained with them', () => {
    const given = { model, tokenizer: gemma };
    const inNewRun =
      (options: Ul2Options, recorded?: JsonValue): (() => unknown) =>
      () =>
        new Ul2(options, { recorded, isNewRun: true }).settle(given).warnings;
    const overlapping = { sentinels: { count: 100 } };
    expect(inNewRun(overlapping)).toThrow(
      refused(
        'objective.sentinels: 99 of the 100 sentinels (298, 297, 296, …) are tokens that text can produce, so that the model cannot distinguish them from text.',
        '`sentinels: auto` takes unused ones; `objective.allowTextTokens: true` trains with these all the same.',
      ),
    );
    expect(inNewRun({ modeTokens: { R: '<table>' } })).toThrow(
      refused('<table> (30) is a token that text can produce.'),
    );
    expect(inNewRun({ ...overlapping, allowTextTokens: true })()).toHaveLength(1);
    const { record } = new Ul2(overlapping).settle(given);
    expect(inNewRun(overlapping, record.ul2)()).toHaveLength(1);
    expect(inNewRun({})()).toEqual([]);
  });
});

describe('the tokens that a checkpoint was trained with', () => {
  const { record } = settle({ sentinels: [20, 19, 18], modeTokens: { R: 8, X: 9, S: 10 } });

  test('`auto` takes the tokens of the checkpoint', () => {
    expect(settle({ modeTokens: 'auto' }, gemma, record)).toMatchObject({
      notes: [
        'Sentinels: 3, <unused13> (20) to <unused11> (18), as the checkpoint was trained with (graft.json).',
        'Mode tokens: R <unused1> (8), X <unused2> (9), S <unused3> (10), as the checkpoint was trained with (graft.json).',
      ],
      warnings: [],
      record,
    });
    // Nothing needs to be known of the tokenizer.
    expect(
      new Ul2(ul2Options.parse({ modeTokens: 'auto' }), { recorded: record.ul2 }).settle({ model }).record,
    ).toEqual(record);
    const again = settle({ sentinels: { reuse: true } });
    expect(again.record.ul2).toMatchObject({ reuse: true });
    expect(settle({}, gemma, again.record).record).toEqual(again.record);
  });

  test('a config that contradicts the checkpoint causes warnings', () => {
    expect(settle({ sentinels: [7, 8], modeTokens: { R: 11, X: 9 } }, gemma, record).warnings).toEqual([
      'objective.sentinels: the checkpoint was trained with others (graft.json: 20 to 18), which `sentinels: auto` would take.',
      'objective.modeTokens.R: the checkpoint was trained with <unused1> (8) (graft.json), not <unused4> (11); `modeTokens: auto` would take that.',
      'objective.modeTokens: the checkpoint was trained with mode tokens for S (graft.json), and this config has none for them; `modeTokens: auto` would take those.',
    ]);
  });

  test('tokens that do not fit the vocabulary, and malformed records, are ignored', () => {
    const other = { ul2: { sentinels: [[400, 410]], reuse: false, modeTokens: {} } } as unknown as Settled['record'];
    expect(settle({}, gemma, other).record.ul2).toMatchObject({ sentinels: [[7, 24]] });
    expect(settle({}, gemma, { ul2: 'x' }).warnings).toEqual([]);
  });
});

test('ids are stored as ranges and restored from them', () => {
  expect(stretchesOfIds([7, 8, 9, 20, 19, 3])).toEqual([
    [7, 9],
    [20, 19],
    [3, 3],
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(30)), (ids) => {
      expect(idsOfStretches(stretchesOfIds(ids))).toEqual(ids);
    }),
  );
});

test('reused sentinels repeat in the same order', () => {
  const objective = new Ul2(
    ul2Options.parse({ denoisers: [{ rate: 0.5, meanSpan: 1 }], sentinels: { tokens: [7, 8, 9], reuse: true } }),
  );
  const example = { tokens: int32(Array.from({ length: 20 }, (_, i) => 100 + i)) };
  const batch = objective.prepare({ kind: 'examples', examples: [example] }, { model, random: createRandom(1) });
  const { input_ids: ids, labels } = rowsOf(batch);
  const expected = [7, 8, 9, 7, 8, 9, 7, 8, 9, 7];
  expect(ids[0].filter((id) => id >= 7 && id <= 9)).toEqual(expected);
  expect(labels[0].filter((id) => id >= 7 && id <= 9)).toEqual(expected);
});

test('too few sentinels are refused at the first batch, whichever denoiser it draws', () => {
  const denoisers = [
    { rate: 0.15, meanSpan: 64, weight: 1e6 },
    { rate: 0.5, meanSpan: 3 },
  ];
  const objective = new Ul2(ul2Options.parse({ denoisers }));
  const example = { tokens: int32(Array.from({ length: 240 }, () => 100)) };
  const prepare = (): unknown =>
    objective.prepare({ kind: 'examples', examples: [example] }, { model, tokenizer: gemma, random: createRandom(1) });
  expect(prepare).toThrow(
    refused(
      '240 tokens need 40 sentinels: the denoiser with rate 0.5 and meanSpan 3 makes',
      'objective.sentinels.reuse: true',
    ),
  );
});

test('parts of a mixture with equal tokens record them once, and others under their names', () => {
  const part = (name: string, options: object): ConstructorParameters<typeof Mixture>[0][number] => ({
    name,
    objective: new Ul2(ul2Options.parse(options)),
    ...{ rate: 1, fromStep: 0 },
  });
  const context = { model, tokenizer: gemma };
  const same = new Mixture([part('a', {}), part('b', { preset: 't5gemma2' })]).settle(context);
  expect(Object.keys(same.record)).toEqual(['ul2']);
  expect(same.notes).toHaveLength(1);
  const other = new Mixture([part('a', {}), part('b', { sentinels: [7] })]).settle(context);
  expect(other.record).toMatchObject({ ul2: { sentinels: [[7, 24]] }, 'ul2/b': { sentinels: [[7, 7]] } });
});

test('a count in the config also limits recorded sentinels', () => {
  const { record } = settle({});
  expect(record.ul2).toMatchObject({ sentinels: [[7, 24]] });
  expect(recordOf({ sentinels: { tokens: 'auto', count: 5 } }, gemma, record)).toMatchObject({ sentinels: [[7, 11]] });
});

test('a part of a mixture continues with its own record, whatever other parts chose', () => {
  const mixture = (recorded?: Settled['record']): Mixture => {
    const options = { a: { sentinels: ['<unused3>', '<unused2>'] }, b: {} };
    const parts = Object.entries(options).map(([name, own]) => ({
      ...{ name, rate: 1, fromStep: 0 },
      objective: new Ul2(ul2Options.parse(own), { recorded: recorded?.ul2 }),
    }));
    return new Mixture(parts, undefined, recorded);
  };
  const context = { model, tokenizer: gemma };
  const { record } = mixture().settle(context);
  expect(record).toMatchObject({ 'ul2/b': { sentinels: [[7, 24]] } });
  expect(mixture(record).settle(context)).toMatchObject({ record, warnings: [] });
});
