import { createRandom, DataError, type Dataset, type HostFields } from '@graft/core';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';
import { PackedExamples, packFirstFit } from './pack';
import { RowExamples } from '../rows/row-examples';
import type { Rows } from '../rows/rows';
import { OrderedRows } from '../rows/ordered-rows';

const tokenizer = new BytesTokenizer();
/** Sequences of a packed row as texts, by field. */
const unpack = (row: HostFields, field: string, segments: string): string[] => {
  const texts: number[][] = [];
  row[segments].values.forEach((id, i) => {
    if (id > 0) (texts[id - 1] ??= []).push(row[field].values[i]);
  });
  return texts.map((ids) => tokenizer.decode(ids, { keepSpecial: true }));
};
const unpackAll = (rows: readonly HostFields[], field: string, segments: string): string[] =>
  rows.flatMap((row) => unpack(row, field, segments));

const pairs = Array.from({ length: 50 }, (_, i) => ({
  question: `q${i} ${'x'.repeat((i * 5) % 17)}`,
  answer: `a${i} ${'y'.repeat((i * 3) % 7)}`,
}));
const documents = Array.from({ length: 12 }, (_, i) => `document ${i}: ${'é\n'.repeat((i * 7) % 11)}end`);
const folder = folderWith({
  'pairs.jsonl': pairs.map((pair) => JSON.stringify(pair)).join('\n'),
  'texts.jsonl': documents.map((text) => JSON.stringify({ text })).join('\n'),
  ...Object.fromEntries(documents.map((text, i) => [`d${String(i).padStart(2, '0')}.txt`, text])),
});
const once = { repeat: false, tokenizer: 'bytes', shuffle: false };
const openPairs = (pack: object = {}, options: object = {}): Promise<Dataset> =>
  openDataset('jsonl', {
    ...{ ...once, files: join(folder, 'pairs.jsonl'), source: 'question', target: 'answer' },
    ...{ pack: { sourceTokens: 40, targetTokens: 24, rows: 4, ...pack }, ...options },
  });
const openTexts = (options: object): Promise<Dataset> =>
  openDataset('text', { ...once, files: join(folder, 'd*.txt'), ...options });

it('the weights of targets are packed with their tokens and truncated with them', async () => {
  const weighted = folderWith({
    'w.jsonl': [
      { q: 'a', a: 'bc', w: [0, 1] },
      { q: 'd', a: 'efgh', w: 0.5 },
      { q: 'i', a: 'j', w: [2, 3] },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  });
  const rows = await take(
    await openDataset('jsonl', {
      ...{ ...once, files: join(weighted, 'w.jsonl'), source: 'Q{q}', target: 'a', weights: 'w' },
      pack: { sourceTokens: 4, targetTokens: 4, rows: 1, tooLong: 'truncate' },
    }),
    9,
  );
  const found = rows.flatMap(({ target, target_segments: segments, weights }) => {
    expect(weights.dtype).toBe('float32');
    return Array.from(target.values, (id, i) => [segments.values[i], tokenizer.decode([id]), weights.values[i]]);
  });
  const letters = new Map(found.map(([, letter, weight]) => [letter, weight]));
  expect([...'bcefghj'].map((letter) => letters.get(letter))).toEqual([0, 1, 0.5, 0.5, 0.5, 0.5, 2]);
  for (const [segment, , weight] of found) if (segment === 0) expect(weight).toBe(0);
  expect(unpackAll(rows, 'source', 'source_segments').sort()).toEqual(['Qa', 'Qd', 'Qi']);
});

describe('packFirstFit', () => {
  it('the longest sequences are placed first, each into the first row with space in every field', () => {
    // By field: 6 of 8 and 1 of 4, and so on.
    const lengths = [
      [6, 1],
      [2, 2],
      [3, 3],
      [5, 1],
    ];
    expect(packFirstFit(lengths, [8, 4])).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(packFirstFit(lengths, [8, 3])).toEqual([[0, 1], [2], [3]]);
  });

  it('no sequence is lost, and no row exceeds its lengths', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 6 }))), (lengths) => {
        const rows = packFirstFit(lengths, [10, 6]);
        expect(rows.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        for (const row of rows)
          for (const field of [0, 1])
            expect(row.reduce((sum, i) => sum + lengths[i][field], 0)).toBeLessThanOrEqual([10, 6][field]);
      }),
    );
  });

  it.each([
    ['evenly distributed', (uniform: () => number): number => 1 + Math.floor(512 * uniform())],
    ['many short, few long', (uniform: () => number): number => Math.max(1, Math.floor(900 * uniform() ** 4))],
  ])('more than 95 of 100 positions are filled for lengths that are %s', async (_, draw) => {
    const random = createRandom(3);
    const lengths = Array.from({ length: 4000 }, () => draw(() => random.uniform()));
    const rows: Rows = {
      length: lengths.length,
      read: (row) => Promise.resolve({ row }),
      describe: () => Promise.resolve(''),
    };
    const read = (row: Readonly<Record<string, unknown>>): Record<string, Int32Array>[] => [
      { tokens: new Int32Array(lengths[row.row as number]) },
    ];
    const source = new RowExamples(
      new OrderedRows(rows, read, undefined, 1),
      [{ name: 'tokens', dtype: 'int32', rank: 1 }],
      {
        ...{ repeat: false, fingerprint: '', perRow: 1 },
      },
    );
    const packed = new PackedExamples(source, {
      fields: [{ name: 'tokens', segments: 'segments', lengthTokens: 1024, option: 'lengthTokens' }],
      ...{ rows: 64, tooLong: 'error', padId: 0, fingerprint: '' },
    });
    const made = await take(packed, 1e6);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    expect(made.reduce((sum, { segments }) => sum + segments.values.filter((id) => id > 0).length, 0)).toBe(tokens);
    expect(tokens / (1024 * made.length)).toBeGreaterThan(0.95);
    expect(packed.fill).toBeCloseTo(tokens / (1024 * made.length), 6);
  });
});

describe('packed pairs', () => {
  it('each source has the segment of its target, and all rows have equal lengths', async () => {
    const rows = await take(await openPairs(), 1e6);
    for (const row of rows) {
      expect(['source', 'source_segments', 'target', 'target_segments'].map((name) => row[name].shape)).toEqual([
        [40],
        [40],
        [24],
        [24],
      ]);
    }
    const together = rows.flatMap((row) => {
      const targets = unpack(row, 'target', 'target_segments');
      return unpack(row, 'source', 'source_segments').map((source, i) => `${source}|${targets[i]}`);
    });
    expect(together.sort()).toEqual(pairs.map(({ question, answer }) => `${question}|${answer}<eos>`).sort());
    expect(rows.length).toBeLessThan(pairs.length / 1.5);
  });

  it('pairs that are too long are refused, truncated or dropped', async () => {
    await expect(take(await openPairs({ sourceTokens: 18 }), 1e6)).rejects.toThrow(
      'A sequence has 20 tokens of "source", but pack.sourceTokens is 18.',
    );
    const cut = await take(await openPairs({ sourceTokens: 18, tooLong: 'truncate' }), 1e6);
    expect(unpackAll(cut, 'source', 'source_segments').sort()).toEqual(
      pairs.map(({ question }) => question.slice(0, 18)).sort(),
    );
    const some = await take(await openPairs({ sourceTokens: 18, tooLong: 'drop' }), 1e6);
    expect(unpackAll(some, 'source', 'source_segments').sort()).toEqual(
      pairs
        .map(({ question }) => question)
        .filter(({ length }) => length <= 18)
        .sort(),
    );
    const never = await openPairs({ sourceTokens: 1, tooLong: 'drop' }, { repeat: true });
    await expect(take(never, 1)).rejects.toBeInstanceOf(DataError);
  });
});

describe('packed documents', () => {
  it('documents are whole, or split if a row is too short for them', async () => {
    const whole = await take(await openTexts({ lengthTokens: 64, pack: { rows: 4 } }), 1e6);
    expect(unpackAll(whole, 'tokens', 'segments').sort()).toEqual(documents.map((text) => `${text}<eos>`).sort());
    const split = await take(await openTexts({ lengthTokens: 20, pack: { rows: 4 } }), 1e6);
    const tokens = (rows: readonly HostFields[]): number =>
      rows.flatMap((row) => [...row.segments.values].filter((id) => id)).length;
    expect(tokens(split)).toBe(tokens(whole));
    const ofRows = await openDataset('jsonl', {
      ...{ ...once, files: join(folder, 'texts.jsonl'), lengthTokens: 64, pack: { rows: 4 } },
    });
    expect(await take(ofRows, 1e6)).toEqual(whole);
  });

  it('windows can mark their documents as segments', async () => {
    const plain = await take(await openTexts({ lengthTokens: 32 }), 1e6);
    const marked = await take(await openTexts({ lengthTokens: 32, segments: true }), 1e6);
    expect(lists(marked, 'tokens')).toEqual(lists(plain, 'tokens'));
    for (const { tokens, segments } of marked) {
      expect(segments.values[0]).toBe(1);
      for (let i = 1; i < segments.values.length; i++)
        expect(segments.values[i] - segments.values[i - 1]).toBe(tokens.values[i - 1] === tokenizer.eosId ? 1 : 0);
    }
  });
});

it('any saved position continues with the same rows', async () => {
  const kinds = {
    pairs: (options: object) => openPairs({ rows: 3 }, options),
    documents: (options: object) => openTexts({ lengthTokens: 40, pack: { rows: 3 }, ...options }),
    split: (options: object) => openTexts({ lengthTokens: 15, pack: { rows: 3 }, ...options }),
    windows: (options: object) => openTexts({ lengthTokens: 15, segments: true, shuffleWindows: 4, ...options }),
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])),
      fc.boolean(),
      fc.nat(60),
      fc.nat(20),
      async (kind, shuffle, before, skipped) => {
        const options = { repeat: true, shuffle };
        const whole = await take(await kinds[kind](options), before + skipped + 4);
        const first = await kinds[kind](options);
        await take(first, before);
        const second = await kinds[kind](options);
        await second.restore(JSON.parse(JSON.stringify(first.position())));
        expect(await second.skip!(skipped)).toBe(skipped);
        expect(await take(second, 4)).toEqual(whole.slice(before + skipped));
        // Skipping leads to the same position as reading.
        const third = await kinds[kind](options);
        await third.skip!(before);
        expect(third.position()).toEqual(first.position());
      },
    ),
    { numRuns: 40 },
  );
});

it('the options for packing are checked with the config', async () => {
  const check = (dataset: object): Promise<unknown> =>
    openDataset('jsonl', { ...once, files: join(folder, 'pairs.jsonl'), ...dataset });
  const pair = { source: 'question', target: 'answer' };
  await expect(check({ ...pair, pack: { sourceTokens: 8 } })).rejects.toThrow(
    /pack\.targetTokens: expected the length/,
  );
  await expect(check({ ...pair, pack: { sourceTokens: 8, targetTokens: 8, tooLong: 'split' } })).rejects.toThrow(
    /pack\.tooLong: a source and its target cannot be split/,
  );
  await expect(check({ pack: {} })).rejects.toThrow(/pack: texts are packed into rows of `lengthTokens`/);
  await expect(check({ segments: true })).rejects.toThrow(/segments: only windows/);
  await expect(openTexts({ lengthTokens: 8, pack: { sourceTokens: 3 } })).rejects.toThrow(
    /pack\.sourceTokens: only data/,
  );
});
