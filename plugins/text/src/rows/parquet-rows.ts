import { DataError } from '@graft/core';
import type { DataFile } from '../files/find-files';
import { belongs, emptyPartHint, type Split } from '../datasets/hold-out';
import type { Answer } from '../files/parquet-format/perform';
import { askGroup, columnOf, openTable, rowsOf, type Table } from '../files/parquet-format/table';
import { UnreadableValue } from '../files/parquet-format/values';
import type { Row, Rows, Stretch } from './rows';

interface Source {
  readonly table: Table;
  /** The columns with the wanted keys. */
  readonly columns: readonly string[];
}

interface Group extends Stretch {
  /** Index of the row group in its file, and its first row there, including those of the split's other part. */
  readonly group: number;
  readonly from: number;
  /** Which of them belong to the part, if some do not. */
  readonly kept?: Int32Array;
}

/** Rows of Parquet files, one row group after the other; only the wanted columns are read. */
export class ParquetRows implements Rows {
  private readonly held = new Map<number, readonly Row[]>();
  /** Stretches that are being read, or were read and not used yet. */
  private readonly asked = new Map<number, Promise<Answer>>();
  private last = -1;

  private constructor(
    private readonly sources: readonly Source[],
    readonly stretches: readonly Group[],
  ) {}

  /**
   * Reads the files' tables of contents; with a split, all rows too. Throws DataError for a missing column, naming the
   * existing ones, and if no row belongs to the split's part. `keys`: names of columns; `a.b` belongs to the column
   * `a`, unless there is one with exactly that name.
   */
  static async open(
    files: readonly DataFile[],
    keys: readonly string[],
    split: Split,
    patterns: string | readonly string[],
  ): Promise<ParquetRows> {
    const sources: Source[] = [];
    const groups: Group[] = [];
    let first = 0;
    for (const [number, file] of files.entries()) {
      const table = await openTable(file);
      const columns = [...new Set(keys.map((key) => columnOf(table, key)))];
      sources.push({ table, columns });
      let from = 0;
      for (const [group, { num_rows, columns: chunks }] of table.groups.entries()) {
        const bytes = chunks
          .filter(({ meta_data: meta }) => columns.includes(meta!.path_in_schema[0]))
          .reduce((sum, { meta_data: meta }) => sum + Number(meta!.total_uncompressed_size), 0);
        const kept = split && (await rowsOfPart(table, group, split));
        const rows = kept?.length ?? Number(num_rows);
        if (rows > 0) groups.push({ first, rows, bytes, file: number, group, from, kept });
        first += rows;
        from += Number(num_rows);
      }
    }
    if (first > 0) return new ParquetRows(sources, groups);
    const why = split ? `belongs to the ${split.part} part` : 'is there';
    throw new DataError(`No row of ${[patterns].flat().join(', ')} ${why}.`, {
      code: 'data.empty',
      exitCode: 2,
      hint: split && emptyPartHint(split),
    });
  }

  get length(): number {
    const last = this.stretches[this.stretches.length - 1];
    return last.first + last.rows;
  }

  /** While the rows of one stretch are converted, the next one is already being read. */
  async hold(stretches: readonly number[]): Promise<void> {
    for (const held of this.held.keys()) if (!stretches.includes(held)) this.held.delete(held);
    for (const asked of this.asked.keys()) if (!stretches.includes(asked)) this.asked.delete(asked);
    const missing = stretches.filter((stretch) => !this.held.has(stretch));
    for (const [i, stretch] of missing.entries()) {
      const asked = this.ask(stretch);
      const goesOn = stretch === this.last + 1 && stretch + 1 < this.stretches.length;
      const next = missing.at(i + 1) ?? (goesOn ? stretch + 1 : undefined);
      if (next !== undefined) void this.ask(next);
      const answer = await asked;
      this.asked.delete(stretch);
      const { file, kept } = this.stretches[stretch];
      const { table, columns } = this.sources[file];
      const rows = rowsOf(table, columns, answer);
      this.held.set(stretch, kept ? Array.from(kept, (row) => rows[row]) : rows);
      this.last = stretch;
    }
  }

  private ask(stretch: number): Promise<Answer> {
    const known = this.asked.get(stretch);
    if (known) return known;
    const { file, group } = this.stretches[stretch];
    const { table, columns } = this.sources[file];
    const answer = askGroup(table, columns, group);
    this.asked.set(stretch, answer);
    return answer;
  }

  async read(row: number): Promise<Row> {
    const stretch = this.stretchOf(row);
    const found = this.held.get(stretch)![row - this.stretches[stretch].first];
    for (const [column, value] of Object.entries(found)) {
      if (!(value instanceof UnreadableValue)) continue;
      throw new DataError(`${await this.describe(row)} has ${value.problem} under "${column}".`, {
        code: 'data.bad-line',
      });
    }
    return found;
  }

  describe(row: number): Promise<string> {
    const { first, file, from, kept } = this.stretches[this.stretchOf(row)];
    const inGroup = kept ? kept[row - first] : row - first;
    return Promise.resolve(`${this.sources[file].table.file.path}, row ${from + inGroup + 1},`);
  }

  dispose(): void {
    this.held.clear();
    this.asked.clear();
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

/**
 * Only content decides the part of a row: that of all its columns, so that an evaluation which reads other columns of
 * the held-out part meets no row of the other part.
 */
async function rowsOfPart(table: Table, group: number, split: Split): Promise<Int32Array> {
  const kept: number[] = [];
  for (const [i, row] of rowsOf(table, table.names, await askGroup(table, table.names, group)).entries())
    if (belongs(contentOf(row, table.names), split)) kept.push(i);
  return Int32Array.from(kept);
}

function contentOf(row: Row, columns: readonly string[]): Uint8Array {
  const values = columns.map((column) => row[column]);
  const alone = values.length === 1 && typeof values[0] === 'string' ? values[0] : undefined;
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'bigint'
      ? value.toString()
      : value instanceof Uint8Array
        ? Buffer.from(value).toString('base64')
        : value;
  return new TextEncoder().encode(alone ?? JSON.stringify(values, plain));
}
