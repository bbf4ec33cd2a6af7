/** Rows and texts in every format, written by Python's own modules and pyarrow: they arrive as Python's readers have them. */
import { DataError, ExactNumber } from '@graft/core';
import { cacheFolder } from '@graft/engine';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PieceReader } from '../../plugins/text/src/pieces';
import { openRows } from '../../plugins/text/src/open-rows';
import type { Row, Rows } from '../../plugins/text/src/rows';
import { textReader } from '../../plugins/text/src/template';
import { describeIf, temporaryFolder } from '../support';

const PYTHON = join(process.env.GRAFT_PEERS_VENV ?? join(cacheFolder(), 'peers-venv'), 'bin', 'python');
const isThere = existsSync(PYTHON) && spawnSync(PYTHON, ['-c', 'import pyarrow'], { stdio: 'ignore' }).status === 0;
const SEEDS = (process.env.GRAFT_PEERS_SEEDS ?? '1').split(',').map(Number);
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
  readonly format: 'lines' | 'text' | 'parquet';
  readonly rows: readonly Marked[];
}

const counts = { rows: 0, texts: 0, numbers: 0, damaged: 0, refused: 0 };

async function open(path: string, columns: readonly string[]): Promise<Rows> {
  const files = [{ path, size: statSync(path).size }];
  const rows = await openRows(files, { columns, split: undefined, patterns: path });
  if (rows.stretches) await rows.hold!(rows.stretches.map((_, i) => i));
  return rows;
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
  const cases = new Map<number, Case[]>();

  beforeAll(() => {
    for (const seed of SEEDS) {
      const { status, stderr } = spawnSync(PYTHON, [join(__dirname, 'rows.py'), folder, String(seed)], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
      cases.set(seed, JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')) as Case[]);
    }
  });

  afterAll(() => {
    const { rows, texts, numbers, damaged, refused } = counts;
    process.stdout.write(
      `Read as Python reads them: ${rows} rows with ${texts} texts and ${numbers} numbers; ${damaged} damaged files, of which ${refused} refused.\n`,
    );
  });

  test('give the same rows', async () => {
    const all = [...cases.values()].flat().filter(({ format }) => format !== 'text');
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

  test('give the same texts, in pieces', async () => {
    for (const { file, rows } of [...cases.values()].flat().filter(({ format }) => format === 'text')) {
      const path = join(folder, file);
      const reader = new PieceReader(undefined);
      const parts: string[] = [];
      for (let offset = 0, ends = false; !ends;) {
        const piece = await reader.read({ path, size: statSync(path).size }, offset);
        parts.push(Buffer.from(piece.bytes).toString());
        ({ next: offset, endsFile: ends } = piece);
      }
      reader.dispose();
      expect([file, parts.join('') === rows[0]]).toEqual([file, true]);
      counts.texts++;
    }
  });

  test('that are damaged end in an error that names them, or in rows', async () => {
    let state = 11;
    const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
    const files = [...cases.values()].flat().filter(({ format }) => format !== 'text');
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
