/** Gzip and Parquet give the same items as plain files, from any position. */
import { DataError, type Dataset, type HostFields } from '@graft/core';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';

const tokenizer = new BytesTokenizer();
const texts = (items: Awaited<ReturnType<typeof take>>): string[] =>
  lists(items, 'tokens').map((row) => tokenizer.decode(row, { keepSpecial: true }));

const rows = Array.from({ length: 61 }, (_, i) => ({
  text: `row ${i} ${'é'.repeat(i % 7)}`,
  question: `q${i}`,
  answer: `a${i}`,
  messages: [
    { role: 'user', content: `q${i}` },
    { role: 'assistant', content: `a${i}` },
  ],
}));
const jsonLines = (some: readonly object[]): string => some.map((row) => JSON.stringify(row)).join('\n');
/** `codec` SNAPPY by default, as most writers. */
const table = (some: typeof rows, rowGroupSize: number, codec?: 'SNAPPY' | 'UNCOMPRESSED'): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      codec,
      rowGroupSize,
      columnData: [
        { name: 'text', data: some.map(({ text }) => text), type: 'STRING' },
        { name: 'question', data: some.map(({ question }) => question), type: 'STRING' },
        { name: 'answer', data: some.map(({ answer }) => answer), type: 'STRING' },
        { name: 'messages', data: some.map(({ messages }) => messages), type: 'JSON' },
        { name: 'number', data: some.map((_, i) => i), type: 'INT32' },
        { name: 'big', data: some.map((_, i) => BigInt(i % 3)), type: 'INT64' },
        { name: 'nested', data: some.map((_, i) => ({ letters: 'ab'.repeat(i % 3), weights: [0.5] })), type: 'JSON' },
        { name: 'dotted.name', data: some.map((_, i) => `dot ${i}`), type: 'STRING' },
      ],
    }),
  );
const gzip = (text: string): Uint8Array => gzipSync(text);
const document = (i: number): string => `document ${i}: ${'lorem ipsum é\n'.repeat((i * 7) % 11)}end ${i}.`;
const documents = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`d${i}.txt`, document(i + 10)]));

const folder = folderWith({
  'a.jsonl': jsonLines(rows.slice(0, 30)),
  'b.jsonl': jsonLines(rows.slice(30)),
  'a.jsonl.gz': gzip(jsonLines(rows.slice(0, 30))),
  // Two members, as from `cat a.gz b.gz`, and a name without the usual suffix.
  'b.packed': Buffer.concat([gzip(`${jsonLines(rows.slice(30, 40))}\r\n\n`), gzip(jsonLines(rows.slice(40)))]),
  'a.parquet': table(rows.slice(0, 30), 7),
  'b.parquet': table(rows.slice(30), 10, 'UNCOMPRESSED'),
  'empty.jsonl.gz': gzip(''),
  'nothing.jsonl.gz': '',
  'broken.jsonl.gz': gzip(jsonLines(rows)).subarray(0, 200),
  'bad.jsonl.gz': gzip('{"text": "fine"}\n\n{"text": 3}\n'),
  'latin.jsonl': Buffer.from('{"text": "caf\xe9"}\n', 'latin1'),
  'latin.txt': Buffer.from('caf\xe9 au lait', 'latin1'),
  ...documents,
  ...Object.fromEntries(Object.entries(documents).map(([name, text]) => [`${name}.gz`, gzip(text)])),
});
const path = (name: string | string[]): string[] => [name].flat().map((one) => join(folder, one));
const once = { repeat: false, tokenizer: 'bytes' };
const SOURCES = {
  plain: { use: 'jsonl', files: path(['a.jsonl', 'b.jsonl']) },
  gzip: { use: 'jsonl', files: path(['a.jsonl.gz', 'b.packed']) },
  parquet: { use: 'parquet', files: path(['a.parquet', 'b.parquet']) },
};
const open = ({ use, ...rest }: { use: string } & object, options: object = {}, seed = 0): Promise<Dataset> =>
  openDataset(use, { ...once, ...rest, ...options }, seed);
const expected = rows.map(({ text }) => `${text}<eos>`);

describe.each(['gzip', 'parquet'] as const)('rows from %s', (kind) => {
  const source = SOURCES[kind];

  it('rows equal those of the plain file, in its order without shuffling', async () => {
    expect(texts(await take(await open(source, { shuffle: false }), 1e6))).toEqual(expected);
    const pairs = await take(await open(source, { shuffle: false, source: 'question', target: 'answer' }), 1e6);
    const plain = await take(await open(SOURCES.plain, { shuffle: false, source: 'question', target: 'answer' }), 1e6);
    expect(pairs).toEqual(plain);
    expect((await open(source)).length).toBe(rows.length);
  });

  it('a shuffle buffer gives each row once per epoch, in an order that depends on the seed', async () => {
    const options = { shuffleRows: 20 };
    const shuffled = texts(await take(await open(source, options), 1e6));
    expect([...shuffled].sort()).toEqual([...expected].sort());
    expect(shuffled).not.toEqual(expected);
    expect(texts(await take(await open(source, options), 1e6))).toEqual(shuffled);
    expect(texts(await take(await open(source, options, 1), 1e6))).not.toEqual(shuffled);
    const passes = texts(await take(await open(source, { ...options, repeat: true }), 2 * rows.length));
    expect(passes.slice(0, rows.length)).toEqual(shuffled);
    expect(passes.slice(rows.length)).not.toEqual(shuffled);
    expect([...passes.slice(rows.length)].sort()).toEqual([...expected].sort());
  });

  it('any saved position continues with the next rows or windows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          shuffle: fc.boolean(),
          shuffleRows: fc.integer({ min: 1, max: 70 }),
          lengthTokens: fc.constantFrom(undefined, 9),
        }),
        fc.nat(90),
        fc.nat(30),
        async (options, before, skipped) => {
          const all = { ...options, repeat: true };
          const whole = texts(await take(await open(source, all), before + skipped + 5));
          const first = await open(source, all);
          await take(first, before);
          const second = await open(source, all);
          await second.restore(JSON.parse(JSON.stringify(first.position())));
          expect(await second.skip!(skipped)).toBe(skipped);
          expect(texts(await take(second, 5))).toEqual(whole.slice(before + skipped));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('a split by content has every row in exactly one part', async () => {
    const part = async (part: string): Promise<string[]> =>
      texts(await take(await open(source, { split: { holdOut: 0.3, part }, shuffle: false }), 1e6));
    const [train, heldOut] = [await part('train'), await part('heldOut')];
    expect(heldOut.length).toBeGreaterThan(5);
    expect([...train, ...heldOut].sort()).toEqual([...expected].sort());
  });

  it('a split does not depend on the keys that are read', async () => {
    const numbers = async (part: string, options: object): Promise<string[]> => {
      const dataset = await open(source, { split: { holdOut: 0.3, part }, shuffle: false, ...options });
      const items = await take(dataset, 1e6);
      return items.map((item) => /\d+/.exec(tokenizer.decode((item.source ?? item.tokens).values, {}))![0]);
    };
    const heldOut = await numbers('heldOut', { text: 'text' });
    expect(heldOut.length).toBeGreaterThan(5);
    for (const options of [
      { text: 'answer' },
      { source: 'question', target: 'answer' },
      { source: '{answer}?', target: 'text' },
    ])
      expect(await numbers('heldOut', options)).toEqual(heldOut);
  });

  it('rows may contain conversations', async () => {
    const [first] = await take(await openDataset('chat', { ...once, files: source.files, shuffle: false }), 1);
    expect(tokenizer.decode(first.target.values, { keepSpecial: true })).toBe('a0<end_of_turn><eos>');
  });
});

describe('documents from gzip', () => {
  const windows = async (pattern: string, options: object = {}, count = 1e6): Promise<string[]> =>
    texts(
      await take(
        await openDataset('text', { ...once, files: join(folder, pattern), lengthTokens: 16, ...options }),
        count,
      ),
    );

  it('documents equal those of plain files', async () => {
    const plain = await windows('d*.txt', { shuffle: false });
    expect(await windows('d*.txt.gz', { shuffle: false })).toEqual(plain);
    expect(plain.length).toBeGreaterThan(30);
    const separated = { shuffle: false, separator: '\n' };
    expect(await windows('d*.txt.gz', separated)).toEqual(await windows('d*.txt', separated));
  });

  it('any saved position continues with the next windows', async () => {
    const options = { ...once, files: join(folder, 'd*.txt.gz'), lengthTokens: 7, shuffleWindows: 4, repeat: true };
    const whole = texts(await take(await openDataset('text', options), 200));
    for (const before of [0, 1, 50, 133]) {
      const first = await openDataset('text', options);
      await take(first, before);
      const second = await openDataset('text', options);
      await second.restore(first.position());
      expect(texts(await take(second, 9))).toEqual(whole.slice(before, before + 9));
    }
  });
});

describe('faulty files', () => {
  const complaint = async (use: string, options: object): Promise<DataError> => {
    const reading = async (): Promise<unknown> =>
      take(await openDataset(use, { ...once, shuffle: false, ...options }), 1e6);
    const error = await reading().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DataError);
    return error as DataError;
  };

  it('damaged, empty and foreign files are refused', async () => {
    expect((await complaint('jsonl', { files: path('broken.jsonl.gz') })).message).toMatch(
      /broken\.jsonl\.gz cannot be read: its gzip data end too early\.$/,
    );
    expect((await complaint('jsonl', { files: path('empty.jsonl.gz') })).message).toMatch(
      /: No line of .* holds anything/,
    );
    expect((await complaint('jsonl', { files: path('nothing.jsonl.gz') })).message).toMatch(
      /nothing\.jsonl\.gz is called \.gz, but does not begin as gzip data do\./,
    );
    expect((await complaint('jsonl', { files: path('bad.jsonl.gz') })).message).toMatch(
      /bad\.jsonl\.gz:3 should have a text under "text", but holds a number there\./,
    );
    expect((await complaint('jsonl', { files: path('a.parquet') })).hint).toMatch(/use: parquet/);
    expect((await complaint('text', { files: path('a.parquet'), lengthTokens: 4 })).hint).toMatch(/use: parquet/);
    expect((await complaint('parquet', { files: path('a.jsonl.gz') })).hint).toMatch(/use: jsonl/);
    expect((await complaint('chat', { files: path(['a.jsonl', 'a.parquet']) })).message).toMatch(/files of one kind/);
    const broken = join(folder, 'broken.parquet');
    writeFileSync(broken, table(rows, 10));
    truncateSync(broken, 500);
    expect((await complaint('parquet', { files: broken })).message).toMatch(/broken\.parquet cannot be read/);
  });

  it('the error for a missing column names the nearest one', async () => {
    expect((await complaint('parquet', { files: path('a.parquet'), text: 'txt' })).message).toMatch(
      /a\.parquet has no column "txt"; it has text, question, answer, messages, number, big, nested, dotted\.name; did you mean "text"\?$/,
    );
    expect((await complaint('parquet', { files: path('a.parquet'), text: 'number' })).message).toMatch(
      /a\.parquet, row 1, should have a text under "number", but holds a number there\./,
    );
  });

  it('text that is not UTF-8 is refused', async () => {
    expect((await complaint('jsonl', { files: path('latin.jsonl') })).message).toMatch(
      /latin\.jsonl:1 is not UTF-8: byte 0xe9 at offset 13\.$/,
    );
    expect((await complaint('text', { files: path('latin.txt'), lengthTokens: 4 })).message).toMatch(
      /latin\.txt is not UTF-8: byte 0xe9 at offset 3\.$/,
    );
  });

  it('a file that changed while it was read is refused', async () => {
    const changing = join(folder, 'changing.parquet');
    writeFileSync(changing, table(rows, 5));
    const dataset = await openDataset('parquet', { ...once, files: changing, shuffle: false });
    await take(dataset, 3);
    const position = dataset.position();
    writeFileSync(changing, table(rows.slice(0, 20), 5));
    await expect(take(dataset, 10)).rejects.toThrow(/changing\.parquet cannot be read: it no longer has the \d+ bytes/);
    const other = await openDataset('parquet', { ...once, files: changing, shuffle: false });
    expect(() => other.restore(position)).toThrow(/belongs to other data/);
  });
});

describe('templates and weights of Parquet', () => {
  const read = async (options: object): Promise<HostFields[]> =>
    take(await open(SOURCES.parquet, { shuffle: false, ...options }), 3);
  const decoded = (items: readonly HostFields[], field: string): string[] =>
    lists(items, field).map((ids) => tokenizer.decode(ids));

  it('templates read the columns that they name, integers, and values within a column', async () => {
    const items = await read({
      ...{ source: 'Of {number} and {big}: {question}', target: '{nested.letters}, {dotted.name}' },
      weights: 'big',
    });
    expect(decoded(items, 'source')).toEqual(
      rows.slice(0, 3).map(({ question }, i) => `Of ${i} and ${i}: ${question}`),
    );
    expect(decoded(items, 'target')).toEqual([', dot 0', 'ab, dot 1', 'abab, dot 2']);
    for (const [i, { weights, target }] of items.entries())
      expect(Array.from(weights.values)).toEqual(Array.from(target.values, () => i));
  });

  it('missing columns, and missing values within a column, are reported', async () => {
    await expect(read({ text: 'So {txt}' })).rejects.toThrow(/has no column "txt"/);
    await expect(read({ text: 'text', weights: 'wheights' })).rejects.toThrow(/has no column "wheights"/);
    await expect(read({ text: '{nested.x}' })).rejects.toThrow(
      /a\.parquet, row 1, should have a text under "nested\.x" for the template "\{nested\.x\}", but/,
    );
  });
});
