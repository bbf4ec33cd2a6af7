import { DataError, didYouMean } from '@graft/core';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { open, type FileHandle } from 'node:fs/promises';
import { unreadable } from './file-bytes';
import type { DataFile } from './find-files';
import { belongs, type Split } from './hold-out';
import type { Row, Rows, Stretch } from './rows';

// ES modules, which CommonJS gets by `import()` alone on every Node.
const parquet = (): Promise<typeof import('hyparquet')> => import('hyparquet');
const codecs = (): Promise<typeof import('hyparquet-compressors')> => import('hyparquet-compressors');

interface Table {
  readonly file: DataFile;
  readonly metadata: FileMetaData;
  /** All of them, and those that hold what is wanted. */
  readonly names: readonly string[];
  readonly columns: readonly string[];
}

interface Group extends Stretch {
  /** First row in the file, and rows there, those of the split's other part included. */
  readonly from: number;
  readonly all: number;
  /** Which of them count, where some do not. */
  readonly kept?: Int32Array;
}

/** Rows of Parquet files, one row group after the other; of the columns only those wanted are read. */
export class ParquetRows implements Rows {
  private held = new Map<number, readonly Row[]>();

  private constructor(
    private readonly tables: readonly Table[],
    readonly stretches: readonly Group[],
  ) {}

  /**
   * Reads the files' tables of contents; with a split, all rows too. Throws DataError for a missing column, naming those
   * there are, and where no row belongs to the split's part. `keys`: names of columns; `a.b` is of the column `a`, unless there is
   * one of that very name.
   */
  static async open(
    files: readonly DataFile[],
    keys: readonly string[],
    split: Split,
    patterns: string | readonly string[],
  ): Promise<ParquetRows> {
    const tables: Table[] = [];
    const groups: Group[] = [];
    let first = 0;
    for (const [number, file] of files.entries()) {
      const table = await openTable(file, keys);
      tables.push(table);
      let from = 0;
      for (const { num_rows, columns: chunks } of table.metadata.row_groups) {
        const all = Number(num_rows);
        const bytes = chunks
          .filter(({ meta_data: meta }) => meta && table.columns.includes(meta.path_in_schema[0]))
          .reduce((sum, { meta_data: meta }) => sum + Number(meta!.total_uncompressed_size), 0);
        const kept = split && (await rowsOfPart(table, from, all, split));
        const rows = kept?.length ?? all;
        if (rows > 0) groups.push({ first, rows, bytes, file: number, from, all, kept });
        first += rows;
        from += all;
      }
    }
    if (first > 0) return new ParquetRows(tables, groups);
    const why = split ? `belongs to the ${split.part} part` : 'is there';
    throw new DataError(`No row of ${[patterns].flat().join(', ')} ${why}.`, { code: 'data.empty' });
  }

  get length(): number {
    const last = this.stretches[this.stretches.length - 1];
    return last.first + last.rows;
  }

  async hold(stretches: readonly number[]): Promise<void> {
    for (const held of this.held.keys()) if (!stretches.includes(held)) this.held.delete(held);
    for (const stretch of stretches) {
      if (this.held.has(stretch)) continue;
      const { file, from, all, kept } = this.stretches[stretch];
      const table = this.tables[file];
      const rows = await readGroup(table, table.columns, from, all);
      this.held.set(stretch, kept ? Array.from(kept, (row) => rows[row]) : rows);
    }
  }

  read(row: number): Promise<Row> {
    const stretch = this.stretchOf(row);
    return Promise.resolve(this.held.get(stretch)![row - this.stretches[stretch].first]);
  }

  describe(row: number): Promise<string> {
    const { first, file, from, kept } = this.stretches[this.stretchOf(row)];
    const inGroup = kept ? kept[row - first] : row - first;
    return Promise.resolve(`${this.tables[file].file.path}, row ${from + inGroup + 1},`);
  }

  dispose(): void {
    this.held.clear();
  }

  private stretchOf(row: number): number {
    let [low, high] = [0, this.stretches.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.stretches[middle].first <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

async function openTable(file: DataFile, keys: readonly string[]): Promise<Table> {
  const { parquetMetadataAsync, parquetSchema } = await parquet();
  const metadata = await reading(file, (buffer) => parquetMetadataAsync(buffer));
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  const columns = keys.map((key) => (names.includes(key) ? key : key.split('.')[0]));
  const missing = columns.find((column) => !names.includes(column));
  if (missing === undefined) return { file, metadata, names, columns: [...new Set(columns)] };
  throw new DataError(
    `${file.path} has no column "${missing}"; it has ${names.join(', ') || 'none'}${didYouMean(missing, names)}`.replace(
      /([^?])$/,
      '$1.',
    ),
    { code: 'data.column', exitCode: 2 },
  );
}

async function readGroup(
  { file, metadata }: Table,
  columns: readonly string[],
  from: number,
  rows: number,
): Promise<Row[]> {
  const [{ parquetReadObjects }, { compressors }] = await Promise.all([parquet(), codecs()]);
  return reading(file, (buffer) =>
    parquetReadObjects({
      file: buffer,
      metadata,
      columns: [...columns],
      compressors,
      rowStart: from,
      rowEnd: from + rows,
    }),
  );
}

/**
 * Content alone decides on which side a row stands: that of all its columns, so that who reads other columns of the
 * held-out part, for an evaluation, meets no row of the other part.
 */
async function rowsOfPart(table: Table, from: number, rows: number, split: Split): Promise<Int32Array> {
  const kept: number[] = [];
  for (const [i, row] of (await readGroup(table, table.names, from, rows)).entries())
    if (belongs(contentOf(row, table.names), split)) kept.push(i);
  return Int32Array.from(kept);
}

function contentOf(row: Row, columns: readonly string[]): Uint8Array {
  const values = columns.map((column) => row[column]);
  const alone = values.length === 1 && typeof values[0] === 'string' ? values[0] : undefined;
  const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
  return new TextEncoder().encode(alone ?? JSON.stringify(values, plain));
}

/** Opens the file for one reading. Throws DataError where it is damaged, or not the one that it was. */
async function reading<T>({ path, size }: DataFile, read: (buffer: AsyncBuffer) => T | Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const file = handle;
    if ((await file.stat()).size !== size) throw new Error(`it no longer has the ${size} bytes it had`);
    return await read({ byteLength: size, slice: (start, end = size) => slice(file, start, end) });
  } catch (cause) {
    const error = unreadable(path, cause);
    if (handle === undefined || error === cause) throw error;
    throw new DataError(error.message, { code: 'data.parquet', cause });
  } finally {
    await handle?.close();
  }
}

async function slice(file: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) throw new Error('it ends too early');
    filled += bytesRead;
  }
  return bytes.buffer;
}
