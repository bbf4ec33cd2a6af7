import { DataError } from '@graft/core';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '@graft/test-support';
import { openRows } from '../../rows/open-rows';
import type { Rows } from '../../rows/rows';
import { textReader } from '../../rows/template';

/** `types.parquet` and `marks.parquet` are from pyarrow; the damaged ones differ by a few bytes from a valid file. */
const FILES = join(ROOT, 'test', 'golden', 'fixtures', 'parquet');

async function open(path: string, columns: readonly string[]): Promise<Rows> {
  const files = [{ path, size: statSync(path).size }];
  const rows = await openRows(files, { columns, split: undefined, patterns: path });
  await rows.hold!(rows.stretches!.map((_, i) => i));
  return rows;
}

/** The text of each row of a file for a template, or the error. */
async function read(file: string, template: string): Promise<string[]> {
  const rows = await open(join(FILES, file), [/{([^}]*)}/.exec(template)?.[1] ?? template]);
  const reader = textReader(template);
  const texts: string[] = [];
  for (let i = 0; i < rows.length; i++) {
    texts.push(
      await rows
        .read(i)
        .then(reader)
        .catch((error: Error) => `! ${error.message.replace(`${FILES}/`, '')}`),
    );
  }
  return texts;
}

const holds = (key: string, what: string): string =>
  `! should have a text under "${key}" for the template "{${key}}", but ${what}`;
const none = (key: string): string => holds(key, 'holds null there');

describe('values of Parquet in a template', () => {
  it.each<[string, string[]]>([
    ['int64', ['9007199254740993', none('int64'), '-9223372036854775808']],
    ['uint64', ['18446744073709551615', '0', none('uint64')]],
    ['uint32', ['4294967295', '0', '7']],
    ['float16', ['0.0999755859375', none('float16'), '-2']],
    ['float32', ['0.1', '-0', none('float32')]],
    ['float64', ['0.1', holds('float64', 'holds NaN there'), '1e+21']],
    ['money', ['12345678901234567.89', '0.10', '-1.05']],
    ['huge', ['-0.000000000000000000000000000001', none('huge'), '1.000000000000000000000000000000']],
    ['date', ['2024-02-29', '0001-01-01', '9999-12-31']],
    ['clock', ['12:30:00', '23:59:59.999999', none('clock')]],
    ['at', ['2024-01-31T12:30:00', '1969-12-31T23:59:59.001', none('at')]],
    ['utc', ['2024-01-31T00:00:00Z', '1900-01-01T00:00:00.000005Z', none('utc')]],
    ['uuid', ['00112233-4455-6677-8899-aabbccddeeff', none('uuid'), none('uuid')]],
    [
      'json.n',
      [
        '1.50',
        holds('json.n', '"json" holds null'),
        '! types.parquet, row 3, has what is not JSON (the key "n" is there twice at character 10) under "json".',
      ],
    ],
    ['bytes', ['é', holds('bytes', 'holds 1 bytes that are not a text there'), none('bytes')]],
    ['list.0', ['x', holds('list.0', '"list" has only nothing'), holds('list.0', '"list" holds null')]],
    [
      'map.k',
      [
        '1152921504606846976',
        holds('map.k', '"map" has only nothing'),
        '! types.parquet, row 3, has a map that has a key twice under "map".',
      ],
    ],
    [
      'turns.1.content',
      ['a', holds('turns.1.content', '"turns" has only 0'), holds('turns.1.content', '"turns" holds null')],
    ],
    ['turns', [holds('turns', 'holds a list there'), holds('turns', 'holds a list there'), none('turns')]],
  ])('the column %s gives the exact values as text', async (key, expected) => {
    expect(await read('types.parquet', `{${key}}`)).toEqual(expected);
  });

  it('texts keep byte order marks, zeros and surrogate pairs', async () => {
    expect(await read('types.parquet', 'text')).toEqual([
      'a 😀\ufeff',
      '! should have a text under "text", but holds null there',
      '',
    ]);
    expect(await read('marks.parquet', 'text')).toEqual(['a\0b', '\ufeffbom', '😀']);
    expect(await read('decimal.parquet', 'n = {n}')).toEqual(['n = 12345678901234567.89', 'n = 0.10', 'n = -1.05']);
  });

  it('a row whose text is not UTF-8 is refused, and the others are read', async () => {
    expect(await read('not-utf8.parquet', 'text')).toEqual([
      'ok',
      '! not-utf8.parquet, row 2, has text that is not UTF-8 (byte 0xe9 at offset 3) under "text".',
      'z',
    ]);
  });
});

describe('a damaged file of Parquet', () => {
  it.each([
    [
      'negative-length.parquet',
      /it is damaged \(column "text", row group 1: a page header has a length that is not there/,
    ],
    ['short-schema.parquet', /it is damaged \(a place or a length in it is wrong\)\.$/],
  ])('the error for a damaged file names it: %s', async (file, message) => {
    await expect(open(join(FILES, file), ['text'])).rejects.toMatchObject({
      code: 'data.parquet',
      message: expect.stringMatching(message) as string,
    });
  });

  it('checksums detect a change of any byte', async () => {
    const whole = join(FILES, 'types.parquet');
    const changed = join(temporaryFolder(), 'changed.parquet');
    const bytes = readFileSync(whole);
    const columns = ['text', 'money', 'turns'];
    const expected = await allRows(whole, columns);
    let refused = 0;
    for (let at = 4; at < 1800; at += 7) {
      const copy = Buffer.from(bytes);
      copy[at] ^= 0x11;
      writeFileSync(changed, copy);
      // A byte of another column does not count.
      const rows = await allRows(changed, columns).catch((error: unknown) => error);
      if (rows instanceof Error) {
        expect(rows).toBeInstanceOf(DataError);
        expect(rows.message).toContain(changed);
        refused++;
      } else expect(rows).toEqual(expected);
    }
    expect(refused).toBeGreaterThan(30);
  });

  it('random damage never causes a hang, nor an error that does not name the file', async () => {
    const folder = temporaryFolder();
    let state = 5;
    const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
    for (const file of ['types.parquet', 'marks.parquet', 'decimal.parquet']) {
      const bytes = readFileSync(join(FILES, file));
      const columns = file === 'types.parquet' ? ['text', 'int64', 'json', 'turns', 'map'] : ['text'];
      for (let i = 0; i < 150; i++) {
        const copy = Buffer.from(bytes);
        for (let change = draw(3); change >= 0; change--) copy[draw(copy.length)] = draw(256);
        const changed = join(folder, file);
        writeFileSync(changed, copy.subarray(0, draw(8) === 0 ? draw(copy.length) : copy.length));
        const error = await allRows(changed, columns).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined)
          expect(error).toMatchObject({ name: 'DataError', message: expect.stringContaining(changed) as string });
      }
    }
  });
});

async function allRows(path: string, columns: readonly string[]): Promise<object[]> {
  const rows = await open(path, columns);
  const all: object[] = [];
  for (let i = 0; i < rows.length; i++) all.push(await rows.read(i));
  return all;
}
