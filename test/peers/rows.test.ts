/** Rows and texts in every format, written by Python's own modules and pyarrow: they arrive as Python's readers have them. */
import { DataError } from '@graft/core';
import { ExactNumber } from '@graft/core/internal';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeText } from '../../plugins/text/src/files/file-bytes';
import { PieceReader } from '../../plugins/text/src/files/pieces';
import { openRows } from '../../plugins/text/src/rows/open-rows';
import type { Row, Rows } from '../../plugins/text/src/rows/rows';
import { textReader } from '../../plugins/text/src/rows/template';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('pyarrow');
/** Other files for another number. */
const SEED = process.env.GRAFT_PEERS_SEED ?? '1';
const DAMAGED = 1000;

type Marked =
  | string
  | boolean
  | null
  | { readonly number: string }
  | { readonly float: string; readonly bits: number }
  | { readonly list: readonly Marked[] }
  | { readonly object: readonly (readonly [string, Marked])[] };

interface Case {
  readonly file: string;
  readonly format: 'lines' | 'text' | 'parquet' | 'odd lines' | 'odd gzip';
  readonly rows: readonly Marked[];
}

const counts = { rows: 0, texts: 0, numbers: 0, odd: 0, oddRefused: 0, damaged: 0, refused: 0 };

async function open(path: string, columns: readonly string[]): Promise<Rows> {
  const files = [{ path, size: statSync(path).size }];
  const rows = await openRows(files, { columns, split: undefined, patterns: path });
  if (rows.stretches) await rows.hold!(rows.stretches.map((_, i) => i));
  return rows;
}

/** A file's text, as documents are read: piece by piece. */
async function textOf(path: string): Promise<string> {
  const reader = new PieceReader(undefined);
  const parts: string[] = [];
  try {
    for (let offset = 0, ends = false; !ends;) {
      const piece = await reader.read({ path, size: statSync(path).size }, offset);
      parts.push(decodeText(piece.bytes, path, offset));
      ({ next: offset, endsFile: ends } = piece);
    }
  } finally {
    reader.dispose();
  }
  return parts.join('');
}

/** The value by the keys that lead to it, as a template has it; lists and objects part by part. */
function compare(row: Row, value: unknown, keys: readonly string[], expected: Marked): void {
  const where = keys.join(' > ');
  if (typeof expected === 'object' && expected !== null && 'list' in expected) {
    expect([where, Array.isArray(value) && value.length]).toEqual([where, expected.list.length]);
    expected.list.forEach((item, i) => compare(row, (value as unknown[])[i], [...keys, String(i)], item));
  } else if (typeof expected === 'object' && expected !== null && 'object' in expected) {
    expect([where, Object.keys(value as object).sort()]).toEqual([where, expected.object.map(([key]) => key).sort()]);
    for (const [key, item] of expected.object) {
      const inner = Object.getOwnPropertyDescriptor(value, key)!.value as unknown;
      compare(row, inner, [...keys, key], item);
    }
  } else compareScalar(value, where, expected);
}

function compareScalar(value: unknown, where: string, expected: Marked): void {
  const read = (): string => textReader('{key}')({ key: value });
  if (expected === null) {
    expect([where, value]).toEqual([where, null]);
    expect(read).toThrow('but holds null there');
    return;
  }
  if (typeof expected === 'string') {
    counts.texts++;
    expect([where, value]).toEqual([where, expected]);
  } else if (typeof expected === 'boolean') expect([where, read()]).toEqual([where, String(expected)]);
  else if ('number' in expected) {
    counts.numbers++;
    expect([where, read()]).toEqual([where, expected.number]);
  } else if ('float' in expected) {
    counts.numbers++;
    const text = read();
    const number = Number(text);
    const same = expected.bits === 32 ? Math.fround(number) : number;
    expect([where, Object.is(same, Number(expected.float)), text]).toEqual([where, true, text]);
    expect(Number(value)).toBe(Number(value instanceof ExactNumber ? value.digits : value));
  }
}

describeIf(isThere, 'pyarrow is not installed; `npm run test:peers` does it', 'files of Python and pyarrow', () => {
  jest.setTimeout(600_000);
  const folder = temporaryFolder();
  let cases: readonly Case[] = [];

  beforeAll(() => {
    const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'rows.py'), folder, SEED], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    cases = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Case[];
  });

  afterAll(() => {
    const { rows, texts, numbers, odd, oddRefused, damaged, refused } = counts;
    process.stdout.write(
      `Read as Python reads them: ${rows} rows with ${texts} texts and ${numbers} numbers; ${odd} odd lines and gzip files, of which ${oddRefused} refused; ${damaged} damaged files, of which ${refused} refused.\n`,
    );
  });

  test("the rows are those of Python's readers", async () => {
    const all = cases.filter(({ format }) => format === 'lines' || format === 'parquet');
    expect(all.length).toBeGreaterThan(100);
    for (const { file, rows } of all) {
      const columns = file.endsWith('.parquet')
        ? (rows[0] as { object: [string, Marked][] }).object.map(([key]) => key)
        : [];
      const read = await open(join(folder, file), columns);
      expect([file, read.length]).toEqual([file, rows.length]);
      for (const [i, expected] of rows.entries()) {
        const row = await read.read(i);
        compare(row, row, [file, String(i)], expected);
        counts.rows++;
      }
      read.dispose?.();
    }
  });

  test("texts read in pieces are those of Python's readers", async () => {
    for (const { file, rows } of cases.filter(({ format }) => format === 'text')) {
      const text = await textOf(join(folder, file));
      expect([file, text === rows[0]]).toEqual([file, true]);
      counts.texts++;
    }
  });

  test('lines that Python refuses, or that would lose something, are refused', async () => {
    for (const { file, rows } of cases.filter(({ format }) => format === 'odd lines')) {
      const read = await open(join(folder, file), []);
      expect([file, read.length]).toEqual([file, rows.length]);
      for (const [i, expected] of rows.entries()) {
        counts.odd++;
        if (expected === null) {
          counts.oddRefused++;
          await expect(read.read(i)).rejects.toThrow(/ is not (UTF-8|a JSON object on a line): /);
        } else {
          const row = await read.read(i);
          compare(row, row, [file, String(i)], expected);
        }
      }
    }
  });

  test('damaged gzip never gives another text', async () => {
    for (const { file, rows } of cases.filter(({ format }) => format === 'odd gzip')) {
      counts.odd++;
      const text = await textOf(join(folder, file)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(DataError);
        counts.oddRefused++;
      });
      if (text !== undefined) expect([file, text]).toEqual([file, rows[0]]);
    }
  });

  test('a damaged file gives rows or an error that names it', async () => {
    let state = 11;
    const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
    const files = cases.filter(({ format }) => format === 'lines' || format === 'parquet');
    for (let i = 0; i < DAMAGED; i++) {
      const { file, rows, format } = files[draw(files.length)];
      const bytes = Buffer.from(readFileSync(join(folder, file)));
      const changes = draw(4);
      // Nearer to the end, where a Parquet file says what it holds, in half of them.
      const from = draw(2) * Math.floor(bytes.length * 0.9);
      for (let change = 0; change <= changes; change++) bytes[from + draw(bytes.length - from)] = draw(256);
      const path = join(folder, `damaged.${format}`);
      writeFileSync(path, changes === 3 ? bytes.subarray(0, draw(bytes.length)) : bytes);
      counts.damaged++;
      try {
        const columns =
          format === 'parquet' ? (rows[0] as { object: [string, Marked][] }).object.map(([key]) => key) : [];
        const read = await open(path, columns);
        for (let row = 0; row < read.length; row++) await read.read(row);
        read.dispose?.();
      } catch (error) {
        expect(error).toBeInstanceOf(DataError);
        expect((error as DataError).message).toContain(path);
        counts.refused++;
      }
    }
  });
});
