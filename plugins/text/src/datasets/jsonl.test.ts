import { DataError, type Dataset } from '@graft/core';
import fc from 'fast-check';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';

const tokenizer = new BytesTokenizer();
const decode = (rows: number[][]): string[] => rows.map((row) => tokenizer.decode(row, { keepSpecial: true }));
const jsonLines = (objects: readonly object[]): string => objects.map((object) => JSON.stringify(object)).join('\n');

const rows = Array.from({ length: 23 }, (_, i) => ({
  text: `text ${i} ${'é'.repeat(i)}`,
  question: `q${i}`,
  answer: `a${i}`,
}));
const folder = folderWith({
  'a.jsonl': jsonLines(rows.slice(0, 11)),
  'b.jsonl': `\n${jsonLines(rows.slice(11)).replaceAll('\n', '\r\n \n')}\n\n`,
  'bad.jsonl': `{"text": "fine"}\n\n{"text": 3}\n`,
  'broken.jsonl': `{"text": "fine"}\n{"text": \n`,
  'list.jsonl': '[1, 2]',
  'empty.jsonl': '\n \n',
  'number.jsonl': '1e00',
  'blank.jsonl': '{"text": "fine", "q": "ab", "a": ""}\n{"text": "", "q": "", "a": ""}\n',
});
const files = join(folder, '[ab].jsonl');
const open = (options: object = {}, seed = 0): Promise<Dataset> =>
  openDataset('jsonl', { files, tokenizer: { use: 'bytes' }, ...options }, seed);
const once = { repeat: false };

describe('the jsonl dataset', () => {
  it('the error for a line of more than 64 MiB names the line', async () => {
    const long = folderWith({
      'long.jsonl': Buffer.concat([Buffer.from('{"text": "a"}\n\n'), Buffer.alloc(2 ** 26 + 1)]),
    });
    await expect(open({ files: join(long, 'long.jsonl'), ...once })).rejects.toMatchObject({
      code: 'data.bad-line',
      message: `dataset "@graft/text/jsonl": ${join(long, 'long.jsonl')}:3 has more than 67108864 bytes, which is the longest line that is read.`,
    });
  });

  it('pairs give the docstring example: the end of sequence belongs to the target', async () => {
    const one = folderWith({ 'one.jsonl': '{"question": "ab", "answer": "c"}' });
    const items = await take(
      await open({ files: join(one, 'one.jsonl'), source: 'question', target: 'answer', ...once }),
      5,
    );
    expect(decode(lists(items, 'source'))).toEqual(['ab']);
    expect(decode(lists(items, 'target'))).toEqual(['c<eos>']);
  });

  it('each line comes once per epoch, in an order that depends on the seed', async () => {
    const texts = async (options: object, seed = 0, count = 1e6): Promise<string[]> =>
      decode(lists(await take(await open(options, seed), count), 'tokens'));
    const expected = rows.map(({ text }) => `${text}<eos>`);
    expect(await texts({ ...once, shuffle: false })).toEqual(expected);
    const shuffled = await texts(once);
    expect(shuffled).not.toEqual(expected);
    expect([...shuffled].sort()).toEqual([...expected].sort());
    expect(await texts(once)).toEqual(shuffled);
    expect(await texts(once, 1)).not.toEqual(shuffled);
    const twoPasses = await texts({}, 0, 46);
    expect(twoPasses.slice(0, 23)).toEqual(shuffled);
    expect([...twoPasses.slice(23)].sort()).toEqual([...expected].sort());
    expect(twoPasses.slice(23)).not.toEqual(shuffled);
    expect(await texts({ ...once, shuffle: false, appendEos: false })).toEqual(rows.map(({ text }) => text));
    expect((await open()).length).toBe(23);
  });

  it('texts are cut into windows', async () => {
    const windows = lists(await take(await open({ ...once, shuffle: false, lengthTokens: 10 }), 1e6), 'tokens');
    const all = rows.flatMap(({ text }) => [...tokenizer.encode(text), 1]);
    expect(windows.flat()).toEqual(all.slice(0, Math.floor(all.length / 10) * 10));
  });

  it('any saved position continues with the same items', async () => {
    const options = fc.record({
      shuffle: fc.boolean(),
      repeat: fc.boolean(),
      lengthTokens: fc.constantFrom(undefined, 7, 40),
      split: fc.constantFrom(undefined, { holdOut: 0.4, part: 'heldOut' }),
    });
    await fc.assert(
      fc.asyncProperty(options, fc.integer({ min: 0, max: 60 }), async (given, done) => {
        const dataset = await open(given);
        await take(dataset, done);
        const position: unknown = JSON.parse(JSON.stringify(dataset.position()));
        const rest = lists(await take(dataset, 30), 'tokens');
        const fresh = await open(given);
        await fresh.restore(position as never);
        expect(lists(await take(fresh, 30), 'tokens')).toEqual(rest);
      }),
      { numRuns: 25 },
    );
  });

  it('the parts of a split have no line in common and together have all lines', async () => {
    const part = async (name: string): Promise<string[]> =>
      decode(
        lists(await take(await open({ ...once, shuffle: false, split: { holdOut: 0.4, part: name } }), 1e6), 'tokens'),
      );
    const [train, heldOut] = [await part('train'), await part('heldOut')];
    expect([...train, ...heldOut].sort()).toEqual(rows.map(({ text }) => `${text}<eos>`).sort());
    expect(heldOut.length).toBeGreaterThan(0);
    expect(train.length).toBeGreaterThan(0);
  });

  it('an empty answer becomes its end token, and an empty text is a part of a window', async () => {
    const blank = { ...once, shuffle: false, files: join(folder, 'blank.jsonl') };
    const [first] = await take(await open({ ...blank, source: 'q', target: 'a' }), 1);
    expect(decode(lists([first], 'target'))).toEqual(['<eos>']);
    const windows = await take(await open({ ...blank, lengthTokens: 6 }), 9);
    expect(decode(lists(windows, 'tokens'))).toEqual(['fine<eos><eos>']);
  });

  it.each<[string, object, string]>([
    ['bad.jsonl', {}, 'bad.jsonl:3 should have a text under "text", but holds a number there.'],
    ['bad.jsonl', { text: 'body' }, 'bad.jsonl:1 should have a text under "body", but has only text.'],
    ['broken.jsonl', {}, 'broken.jsonl:2 is not a JSON object on a line: '],
    ['list.jsonl', {}, 'list.jsonl:1 is not a JSON object on a line: it is a list.'],
    ['number.jsonl', {}, 'number.jsonl:1 is not a JSON object on a line: it is a number.'],
    ['empty.jsonl', {}, 'empty.jsonl holds anything'],
    ['blank.jsonl', {}, 'blank.jsonl:2 has an empty text: "text" gives no token.'],
    ['blank.jsonl', { source: 'q', target: 'a' }, 'blank.jsonl:2 has an empty source: "q" gives no token.'],
    ['blank.jsonl', { source: '{q}', target: 'a' }, 'blank.jsonl:2 has an empty source: "{q}" gives no token.'],
    [
      'blank.jsonl',
      { source: 'q', target: 'a', appendEos: false },
      'blank.jsonl:1 has an empty target: "a" gives no token.',
    ],
  ])('the error for %s with %j names file and line', async (name, options, message) => {
    const read = async (): Promise<unknown> =>
      take(await open({ files: join(folder, name), shuffle: false, ...once, ...options }), 10);
    await expect(read()).rejects.toThrow(DataError);
    await expect(read()).rejects.toThrow(message);
  });

  it.each([
    ['"a \\ud83d b"', '\\ud83d is half of a surrogate pair, not a character'],
    ['"a", "text": "b"', 'the key "text" is there twice at character 15'],
    ['"a", "n": 1e400', 'the number 1e400 is too large for a float64 at character 20'],
    ['"a", "n": NaN', 'invalid symbol at character 20'],
    ['"a\tb"', 'invalid character at character 10'],
  ])('JSON that would be changed or lost is refused: {"text": %s}', async (text, problem) => {
    const one = folderWith({ 'one.jsonl': `{"text": "fine"}\n{"text": ${text}}\n` });
    const reading = async (): Promise<unknown> =>
      take(await open({ files: join(one, 'one.jsonl'), shuffle: false, ...once }), 9);
    await expect(reading()).rejects.toThrow(`one.jsonl:2 is not a JSON object on a line: ${problem}.`);
  });

  it('every character is kept, and only line feeds end a line', async () => {
    const texts = ['a\u2028b\u2029c\x85', '\ufeff', '\0', '😀', '\r\n', '\u{10ffff}'];
    const lines = texts.map((text) => JSON.stringify({ text }));
    const escaped = (line: string): string =>
      line.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const files = folderWith({
      'a.jsonl': lines.join('\n'),
      'b.jsonl': `\ufeff${lines.map(escaped).join('\r\n\n \t\r\n')}`,
      'c.jsonl': gzipSync(`${lines.join('\n')}\n`),
    });
    for (const name of ['a.jsonl', 'b.jsonl', 'c.jsonl']) {
      const items = await take(await open({ files: join(files, name), shuffle: false, appendEos: false, ...once }), 99);
      expect(decode(lists(items, 'tokens'))).toEqual(texts);
    }
  });

  it.each([
    { source: 'question' },
    { text: 'text', source: 'question', target: 'answer' },
    { source: 'q', target: 'a', lengthTokens: 8 },
    { field: 'text' },
  ])('the options %j are refused', async (options) => {
    await expect(open(options)).rejects.toThrow('options of dataset');
  });
});
