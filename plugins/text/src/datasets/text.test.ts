import { DataError, definePlugin, loadConfig, type Dataset } from '@graft/core';
import fc from 'fast-check';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';
import { plugin } from '../plugin';

const tokenizer = new BytesTokenizer();
const decode = (rows: number[][]): string[] => rows.map((row) => tokenizer.decode(row, { keepSpecial: true }));

/** 40 files of different lengths; two of them blank. */
const corpus = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => [
    `doc${String(i).padStart(2, '0')}.txt`,
    i % 20 === 7 ? ' \n' : `document ${i}: ${'lorem ipsum é\n'.repeat((i * 7) % 11)}end ${i}.`,
  ]),
);
const folder = folderWith(corpus);
const files = join(folder, '*.txt');
const open = (options: object = {}, seed = 0): Promise<Dataset> =>
  openDataset('text', { files, tokenizer: { use: 'bytes' }, lengthTokens: 32, ...options }, seed);
const once = { repeat: false };

describe('the text dataset', () => {
  it('little text is counted, so that a run can be refused before its first step', async () => {
    const { length, repeats } = await open(once);
    expect(repeats).toBe(false);
    expect(length).toBe((await take(await open(once), 1e6)).length);
    expect(await open()).toMatchObject({ length, repeats: true });
    const held = { ...once, split: { holdOut: 0.5, part: 'heldOut' } };
    expect((await open(held)).length).toBe((await take(await open(held), 1e6)).length);
    const large = folderWith({ 'large.txt': 'a line of text\n'.repeat(80_000) });
    expect((await open({ files: join(large, '*') })).length).toBeUndefined();
    expect((await open({ lengthTokens: 1e6, ...once })).length).toBeUndefined();
  });

  it('a document that begins with more blank lines than fit into a piece is kept', async () => {
    const late = folderWith({ 'late.txt': `${'\n'.repeat(200_000)}something`, 'blank.txt': '\n'.repeat(200_000) });
    const dataset = await open({ files: join(late, '*'), lengthTokens: 10, shuffle: false, ...once });
    const tokens = lists(await take(dataset, 1e6), 'tokens').flat();
    expect(tokens.slice(200_000)).toEqual([...tokenizer.encode('something'), tokenizer.eosId]);
    expect(new Set(tokens.slice(0, 200_000))).toEqual(new Set(tokenizer.encode('\n')));
  });

  it('windows give the docstring example', async () => {
    const two = folderWith({ 'a.txt': 'ab', 'b.txt': 'c' });
    const dataset = await open({ files: join(two, '*'), lengthTokens: 4, shuffle: false });
    expect(decode(lists(await take(dataset, 3), 'tokens'))).toEqual(['ab<eos>c', '<eos>ab<eos>', 'c<eos>ab']);
  });

  it('windows contain every document once, with an end token after it, and only the last tokens are dropped', async () => {
    const expected = Object.values(corpus)
      .filter((content) => content.trim() !== '')
      .map((content) => `${content}<eos>`)
      .join('');
    const windows = lists(await take(await open({ ...once, shuffle: false }), 1e6), 'tokens');
    expect(windows.every((window) => window.length === 32)).toBe(true);
    const packed = windows.flat();
    const all = [...Buffer.from(expected.replaceAll('<eos>', '\u0001'))].map((byte) => (byte === 1 ? 1 : byte + 3));
    expect(packed).toEqual(all.slice(0, packed.length));
    expect(all.length - packed.length).toBeLessThan(32);
    const without = lists(await take(await open({ ...once, shuffle: false, appendEos: false }), 1e6), 'tokens');
    expect(without.flat()).toEqual(all.filter((id) => id !== 1).slice(0, without.flat().length));
  });

  it('files and windows are shuffled by the seed, and no token is lost', async () => {
    const options = { files: [join(folder, 'doc1*.txt')], shuffleWindows: 8 };
    const stream = async (seed: number): Promise<number[][]> =>
      lists(await take(await open(options, seed), 200), 'tokens');
    const [first, again, other] = [await stream(1), await stream(1), await stream(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    const ordered = lists(await take(await open({ ...options, shuffle: false }), 200), 'tokens');
    expect(ordered).not.toEqual(first);
    // Blocks of windows are permuted, and so are the files: whole epochs have the same tokens in any order.
    const sorted = (rows: number[][]): number[] => rows.flat().sort((a, b) => a - b);
    const all = async (shuffle: boolean, shuffleWindows: number): Promise<number[][]> =>
      lists(await take(await open({ ...options, ...once, shuffle, shuffleWindows, lengthTokens: 2 }), 1e6), 'tokens');
    const [shuffled, straight] = [await all(true, 8), await all(false, 1)];
    expect(shuffled).not.toEqual(straight);
    expect(Math.abs(sorted(shuffled).length - sorted(straight).length)).toBeLessThan(2);
  });

  it('every epoch has all files in a different order', async () => {
    const letters = [...'abcdefghij'];
    const home = folderWith(Object.fromEntries(letters.map((letter) => [letter, letter])));
    const dataset = await open({ files: join(home, '*'), lengthTokens: 2, shuffleWindows: 1 });
    const pass = async (): Promise<string> =>
      decode(lists(await take(dataset, 10), 'tokens'))
        .join('')
        .replaceAll('<eos>', '');
    const passes = [await pass(), await pass(), await pass()];
    for (const order of passes) expect([...order].sort()).toEqual(letters);
    expect(new Set(passes).size).toBe(3);
  });

  it('windows are shuffled within blocks, and each block in its own order', async () => {
    const home = folderWith({ a: Array.from({ length: 160 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('') });
    const dataset = await open({ files: join(home, 'a'), lengthTokens: 2, shuffleWindows: 20, ...once });
    const straight = lists(
      await take(await open({ files: join(home, 'a'), lengthTokens: 2, shuffle: false, ...once }), 80),
      'tokens',
    );
    const orders = [];
    for (let block = 0; block < 4; block++) {
      const given = lists(await take(dataset, 20), 'tokens').map((window) =>
        straight.findIndex((other) => String(other) === String(window)),
      );
      expect([...given].sort((a, b) => a - b)).toEqual(
        [...given].map((_, k) => (block * 20 + k) % 45).sort((a, b) => a - b),
      );
      orders.push(given.map((place) => (place - block * 20 + 45) % 45).join());
    }
    expect(new Set(orders).size).toBe(4);
  });

  it('any saved position continues with the same windows', async () => {
    const options = fc.record({
      shuffle: fc.boolean(),
      shuffleWindows: fc.integer({ min: 1, max: 50 }),
      lengthTokens: fc.integer({ min: 2, max: 200 }),
      repeat: fc.boolean(),
      separator: fc.constantFrom(undefined, '\n'),
      split: fc.constantFrom(undefined, { holdOut: 0.3, part: 'train' }),
    });
    await fc.assert(
      fc.asyncProperty(options, fc.integer({ min: 0, max: 150 }), async (given, done) => {
        const dataset = await open(given);
        await take(dataset, done);
        const position: unknown = JSON.parse(JSON.stringify(dataset.position()));
        const rest = lists(await take(dataset, 20), 'tokens');
        const fresh = await open(given);
        await fresh.restore(position as never);
        expect(fresh.position()).toEqual(position);
        expect(lists(await take(fresh, 20), 'tokens')).toEqual(rest);
        // And back again, within a dataset that has continued.
        await fresh.restore(position as never);
        expect(lists(await take(fresh, 20), 'tokens')).toEqual(rest);
      }),
      { numRuns: 25 },
    );
  });

  it('reading the position does not advance it', async () => {
    const dataset = await open();
    await take(dataset, 3);
    expect(dataset.position()).toEqual(dataset.position());
    const position = dataset.position();
    const [next] = lists(await take(dataset, 1), 'tokens');
    await dataset.restore(position);
    expect(lists(await take(dataset, 1), 'tokens')).toEqual([next]);
  });

  it('documents are held out by their content, and the parts have none in common and together have all', async () => {
    const part = async (name: string): Promise<string[]> => {
      const dataset = await open({ ...once, shuffle: false, lengthTokens: 2, split: { holdOut: 0.3, part: name } });
      return decode([lists(await take(dataset, 1e6), 'tokens').flat()])[0]
        .split('<eos>')
        .filter((text) => text.length > 2);
    };
    const [train, heldOut] = [await part('train'), await part('heldOut')];
    const expected = Object.values(corpus).filter((content) => content.trim() !== '');
    // A tail of one token may be dropped from each.
    expect(train.length + heldOut.length).toBe(expected.length);
    expect(heldOut.length).toBeGreaterThan(4);
    expect(heldOut.length).toBeLessThan(20);
    expect(train.filter((text) => heldOut.includes(text))).toEqual([]);
    // The same content under other names, in another folder, is in the same part.
    const moved = folderWith(
      Object.fromEntries(Object.values(corpus).map((content, i) => [`${100 - i}.txt`, content])),
    );
    const again = await open({
      files: join(moved, '*.txt'),
      ...once,
      shuffle: false,
      lengthTokens: 2,
      split: { holdOut: 0.3, part: 'heldOut' },
    });
    const texts = decode([lists(await take(again, 1e6), 'tokens').flat()])[0]
      .split('<eos>')
      .filter((text) => text.length > 2);
    const full = (list: string[]): string[] =>
      list.map((text) => expected.find((document) => document.startsWith(text))!).sort();
    expect(full(texts)).toEqual(full(heldOut));
  });

  it('files are found by name, pattern and list, minus the excluded ones, in a fixed order', async () => {
    const count = async (options: object): Promise<number> =>
      lists(await take(await open({ ...once, shuffle: false, lengthTokens: 2, ...options }), 1e6), 'tokens').flat()
        .length;
    const one = await count({ files: join(folder, 'doc01.txt') });
    expect(await count({ files: [join(folder, 'doc01.txt'), join(folder, 'doc0[1].txt')] })).toBe(one);
    expect(await count({ files: join(folder, 'doc{01,02}.txt'), exclude: ['**/doc02.txt'] })).toBe(one);
    await expect(open({ files: join(folder, '*.md') })).rejects.toMatchObject({
      message: `dataset "@graft/text/text": No file matches ${join(folder, '*.md')}.`,
      hint: expect.stringContaining('dataset.files') as string,
      exitCode: 2,
    });
  });

  it('a position of other data or of another dataset is refused', async () => {
    const dataset = await open();
    const position = dataset.position();
    await expect((async () => (await open({ lengthTokens: 33 })).restore(position))()).rejects.toThrow(
      'belongs to other data',
    );
    await expect((async () => (await open({ files: join(folder, 'doc1*.txt') })).restore(position))()).rejects.toThrow(
      DataError,
    );
    await expect((async () => dataset.restore({ step: 3 }))()).rejects.toThrow('not of this dataset');
  });

  it('a position after the last token is refused', async () => {
    const dataset = await open();
    const position = dataset.position() as { start: object };
    await dataset.restore({ ...position, start: { ...position.start, used: 1e6 } } as never);
    await expect(take(dataset, 1)).rejects.toMatchObject({
      message: expect.stringContaining('1000000 tokens into a part of a document that has') as string,
      code: 'data.position',
    });
  });

  it('too little text is an error, and so is none', async () => {
    const tiny = folderWith({ 'a.txt': 'abc', 'b.txt': ' ' });
    await expect(take(await open({ files: join(tiny, '*'), ...once }), 1)).rejects.toThrow('fewer than 32 tokens');
    await expect(take(await open({ files: join(tiny, 'b.txt') }), 1)).rejects.toThrow('holds no text');
    // With `repeat` a little text is enough.
    expect(await take(await open({ files: join(tiny, 'a.txt') }), 3)).toHaveLength(3);
  });

  it('a file that is much longer than a piece is read completely', async () => {
    const long = folderWith({ 'long.txt': 'All work and no play.\n'.repeat(20_000) });
    const windows = lists(
      await take(await open({ files: join(long, 'long.txt'), ...once, lengthTokens: 1000, shuffle: false }), 1e6),
      'tokens',
    );
    expect(tokenizer.decode(windows.flat())).toBe(
      'All work and no play.\n'.repeat(20_000).slice(0, windows.length * 1000),
    );
    expect(windows).toHaveLength(440);
  });
});

it('relative patterns start from the folder of the config', async () => {
  const home = folderWith({});
  mkdirSync(join(home, 'configs'));
  const others = definePlugin({
    name: 'others',
    components: (['model', 'initializer', 'objective', 'optimizer', 'schedule'] as const).map((name) => ({
      interface: name,
      id: name === 'schedule' ? 'constant' : 'none',
      description: 'not made here',
      options: z.strictObject({}),
      useFactory: () => undefined as never,
    })),
  });
  const none = { use: 'none' };
  const dataset = { use: 'text', files: ['../*.txt'], tokenizer: 'bytes', lengthTokens: 4 };
  const value = { name: 'x', initializer: none, objective: none, optimizer: none, dataset, train: { steps: 1 } };
  writeFileSync(join(home, 'configs', 'x.json'), JSON.stringify(value));
  const { config } = await loadConfig({ file: join(home, 'configs', 'x.json'), plugins: [plugin, others] });
  expect(config.dataset).toMatchObject({
    files: [join(home, '*.txt')],
    tokenizer: { use: 'bytes', vocabularySize: 259 },
    shuffleWindows: 256,
  });
});
