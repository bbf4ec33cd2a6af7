import { createRandom, DataError, type Dataset, type JsonValue } from '@graft/core';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';
import { MixtureDataset, rateBySize, type MixtureMember } from './mixture';

const tokenizer = new BytesTokenizer();
const folder = folderWith({
  'a.jsonl': Array.from({ length: 5 }, (_, i) => JSON.stringify({ text: `a${i}`, q: `q${i}`, a: `r${i}` })).join('\n'),
  'b.jsonl': Array.from({ length: 9 }, (_, i) => JSON.stringify({ text: `b${i}` })).join('\n'),
});
const lines = (name: string, more: object = {}): object => ({
  use: 'jsonl',
  files: join(folder, `${name}.jsonl`),
  tokenizer: { use: 'bytes' },
  appendEos: false,
  ...more,
});
const texts = async (dataset: Dataset, count: number): Promise<string[]> =>
  lists(await take(dataset, count), 'tokens').map((row) => tokenizer.decode(row));
const two = (more: object = {}, own: object = {}): object => ({
  datasets: [
    { dataset: lines('a', own), rate: 3 },
    { dataset: lines('b', own), rate: 1 },
  ],
  ...more,
});

it('items are drawn by the rates, and a seed repeats them', async () => {
  const drawn = await texts(await openDataset('mixture', two()), 2000);
  const share = drawn.filter((text) => text.startsWith('a')).length / 2000;
  expect(Math.abs(share - 0.75)).toBeLessThan(6 * Math.sqrt(0.1875 / 2000));
  expect(await texts(await openDataset('mixture', two()), 2000)).toEqual(drawn);
  expect(await texts(await openDataset('mixture', two(), 1), 2000)).not.toEqual(drawn);
  // Each member keeps its own order: nothing is left out.
  expect(
    drawn
      .filter((text) => text.startsWith('b'))
      .slice(0, 9)
      .sort(),
  ).toEqual([...Array(9).keys()].map((i) => `b${i}`));
});

it('any saved position continues with the same items', async () => {
  const options = fc.record({
    atEnd: fc.constantFrom('stop', 'continue'),
    repeat: fc.boolean(),
    shuffle: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(options, fc.integer({ min: 0, max: 20 }), async ({ atEnd, ...own }, done) => {
      const dataset = await openDataset('mixture', two({ atEnd }, own));
      await take(dataset, done);
      const position = JSON.parse(JSON.stringify(dataset.position())) as JsonValue;
      const rest = await texts(dataset, 20);
      const fresh = await openDataset('mixture', two({ atEnd }, own));
      await take(fresh, 3);
      await fresh.restore(position);
      expect(await texts(fresh, 20)).toEqual(rest);
    }),
    { numRuns: 30 },
  );
});

it('items of a member without `skip` are skipped by reading them', async () => {
  const [plain, own] = [await openDataset('jsonl', lines('a')), await openDataset('jsonl', lines('b'))];
  Object.defineProperty(plain, 'skip', { value: undefined });
  const open = new MixtureDataset(
    [
      { dataset: plain, rate: 1 },
      { dataset: own, rate: 1 },
    ],
    'stop',
    createRandom(3),
  );
  const position = open.position();
  const all = await texts(open, 30);
  await open.restore(position);
  expect(await open.skip(17)).toBe(17);
  expect(await texts(open, 13)).toEqual(all.slice(17));
});

it('skipping items has the effect of reading and dropping them, for every variant', async () => {
  const kinds = {
    rows: { use: 'jsonl' },
    packed: { use: 'jsonl', lengthTokens: 8, pack: { rows: 2 } },
    nested: { use: 'mixture' },
  };
  const member = (kind: keyof typeof kinds, name: string, own: object): object =>
    kind === 'nested'
      ? { use: 'mixture', datasets: [{ dataset: lines(name, own) }, { dataset: lines('b', own), objective: 'x' }] }
      : lines(name, { ...own, ...kinds[kind] });
  const options = fc.record({
    kind: fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])),
    atEnd: fc.constantFrom('stop', 'continue'),
    repeat: fc.boolean(),
  });
  const calls = fc.array(
    fc.record({ items: fc.integer({ min: 0, max: 7 }), variant: fc.constantFrom(undefined, 'x', 'y') }),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(options, calls, async ({ kind, atEnd, repeat }, steps) => {
      const open = (): Promise<Dataset> =>
        openDataset('mixture', {
          datasets: [
            { dataset: member(kind, 'a', { repeat }), rate: 2 },
            { dataset: member('rows', 'b', { repeat }), objective: 'x' },
            { dataset: member('rows', 'a', { repeat }), objective: 'y' },
          ],
          atEnd,
        });
      const [skipping, dropping] = [await open(), await open()];
      for (const { items, variant } of steps) {
        skipping.select!(variant);
        dropping.select!(variant);
        expect(await skipping.skip!(items)).toBe((await take(dropping, items)).length);
        expect(await texts(skipping, 2)).toEqual(await texts(dropping, 2));
      }
      expect(skipping.position()).toEqual(dropping.position());
    }),
    { numRuns: 40 },
  );
});

it('the mixture ends with its first member, or continues until all have ended', async () => {
  const stopped = await openDataset('mixture', two({}, { repeat: false }));
  const first = await texts(stopped, 100);
  expect(first.length).toBeLessThan(14);
  const given = (name: string): number => first.filter((text) => text.startsWith(name)).length;
  expect(given('a') === 5 || given('b') === 9).toBe(true);
  expect(await texts(stopped, 100)).toEqual([]);
  const all = await texts(await openDataset('mixture', two({ atEnd: 'continue' }, { repeat: false })), 100);
  expect(all).toHaveLength(14);
  expect(new Set(all).size).toBe(14);
});

it('items reach only the part of the objective that they are for', async () => {
  const pairs = lines('a', { source: 'q', target: 'a' });
  const dataset = await openDataset('mixture', {
    datasets: [
      { dataset: lines('b') },
      { dataset: pairs, objective: 'chat' },
      { dataset: lines('a'), objective: 'lm' },
    ],
  });
  expect(dataset.variants).toEqual(['chat', 'lm']);
  expect(dataset.fields.map(({ name, optional }) => [name, optional ?? false])).toEqual([
    ['tokens', true],
    ['source', true],
    ['target', true],
  ]);
  dataset.select!('lm');
  expect((await take(dataset, 30)).every(({ tokens }) => tokens)).toBe(true);
  dataset.select!('chat');
  expect((await take(dataset, 30)).some(({ source }) => source)).toBe(true);
  const only = await openDataset('mixture', { datasets: [{ dataset: pairs, objective: 'chat' }] });
  expect(only.select!('chat').map(({ name }) => name)).toEqual(['source', 'target']);
  expect(() => only.select!('lm')).toThrow('has nothing for "lm"');
});

it('the name of a part stands for all of its variants', async () => {
  const dataset = await openDataset('mixture', {
    datasets: [
      { dataset: lines('a'), objective: 'lm' },
      { dataset: lines('b'), objective: 'chat/low' },
    ],
  });
  for (const [variant, from] of [
    ['lm', 'a'],
    ['lm/low', 'a'],
    ['lm/high', 'a'],
    ['chat/low', 'b'],
  ]) {
    dataset.select!(variant);
    expect((await texts(dataset, 9)).every((text) => text.startsWith(from))).toBe(true);
  }
  expect(() => dataset.select!('chat/high')).toThrow('has nothing for "chat/high"');
  expect(() => dataset.select!('lmx')).toThrow('has nothing for "lmx"');
});

it('members of two kinds are refused, and so is a position of another mixture', async () => {
  const member = (kind: Dataset['kind']): MixtureMember => ({
    dataset: { kind, fields: [] } as unknown as Dataset,
    rate: 1,
  });
  expect(() => new MixtureDataset([member('examples'), member('batch')], 'stop', createRandom(0))).toThrow(
    'the first one gives single sequences, number 2 ready batches',
  );
  const position = (await openDataset('mixture', two())).position();
  await expect((await openDataset('mixture', two({ atEnd: 'continue' }))).restore(position)).rejects.toThrow(DataError);
});

it.each([
  [100, {}, 100],
  [100, { scale: 2.5 }, 250],
  [10_000, { maximum: 1000 }, 1000],
  [10_000, { maximum: 1000, scale: 0.01 }, 100],
  [10_000, { temperature: 2 }, 100],
  [10_000, { maximum: 1000, temperature: 3 }, 10],
])('%d items with %j have the rate %d, by the rule of seqio', (size, settings, rate) => {
  expect(rateBySize(size, settings)).toBeCloseTo(rate, 9);
});

it('datasets may be drawn by their sizes, and by one that is given where it is unknown', async () => {
  const [a, b] = [{ dataset: lines('a') }, { dataset: lines('b'), size: 15 }];
  const share = async (options: object): Promise<number> => {
    const drawn = await texts(await openDataset('mixture', options), 2000);
    return drawn.filter((text) => text.startsWith('a')).length / 2000;
  };
  const near = (expected: number): number => 6 * Math.sqrt((expected * (1 - expected)) / 2000);
  expect(Math.abs((await share({ datasets: [a, b], bySize: {} })) - 0.25)).toBeLessThan(near(0.25));
  const even = { datasets: [a, b], bySize: { temperature: 1e6 } };
  expect(Math.abs((await share(even)) - 0.5)).toBeLessThan(near(0.5));
  const unknown = { dataset: lines('b', { lengthTokens: 8, pack: {} }) };
  await expect(openDataset('mixture', { datasets: [a, unknown], bySize: {} })).rejects.toThrow(
    /number 2 \("jsonl"\) does not know how many items it has/,
  );
  await expect(openDataset('mixture', { datasets: [a, b] })).rejects.toThrow(/is for `bySize`, which is missing/);
});
