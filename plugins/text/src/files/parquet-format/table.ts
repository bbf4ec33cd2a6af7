import { DataError, didYouMean } from '@graft/core';
import type { RowGroup, SchemaElement, SchemaTree } from 'hyparquet';
import type { DataFile } from '../find-files';
import type { Row } from '../../rows/rows';
import { decoder } from './decoder';
import type { Answer } from './perform';
import { reasonOf } from './problems';
import { columnConverter } from './values';

/** A Parquet file's table of contents. */
export interface Table {
  readonly file: DataFile;
  readonly elements: readonly SchemaElement[];
  readonly schema: SchemaTree;
  readonly groups: readonly RowGroup[];
  /** The columns. */
  readonly names: readonly string[];
}

/** Throws DataError if the file is damaged, or is not a Parquet file that can be read. */
export async function openTable(file: DataFile): Promise<Table> {
  const answer = await decoder.ask({ kind: 'contents', file });
  if (!('contents' in answer)) throw unreadable(file, reasonIn(answer));
  const { schema: elements, groups } = answer.contents;
  // An ES module, which CommonJS can load on every Node only with `import()`.
  const { parquetSchema } = await import('hyparquet');
  const schema = parquetSchema({ schema: [...elements] });
  const names = schema.children.map(({ element }) => element.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw unreadable(file, `it has two columns with the name "${twice}"`);
  return { file, elements, schema, groups, names };
}

/**
 * The column that contains a key: that of its name, or `a` for `a.b`. Throws DataError, naming the existing columns.
 */
export function columnOf({ file, names }: Table, key: string): string {
  const column = names.includes(key) ? key : key.split('.')[0];
  if (names.includes(column)) return column;
  const near = didYouMean(column, names) || '.';
  throw new DataError(`${file.path} has no column "${column}"; it has ${names.join(', ') || 'none'}${near}`, {
    code: 'data.column',
    exitCode: 2,
  });
}

/** Begins to read some columns of a row group in another thread. Never rejects. */
export function askGroup(table: Table, columns: readonly string[], index: number): Promise<Answer> {
  const { file, elements: schema, groups } = table;
  return decoder.ask({ kind: 'group', file, schema, group: groups[index], index, columns });
}

/**
 * The rows of an answer to `askGroup`. A value that cannot be read as its declared type is an UnreadableValue. Throws
 * DataError if the file is damaged.
 */
export function rowsOf(table: Table, columns: readonly string[], answer: Answer): Row[] {
  if (!('columns' in answer)) throw unreadable(table.file, reasonIn(answer));
  const nodes = table.schema.children.filter(({ element }) => columns.includes(element.name));
  const converted = nodes.map((node, i) => {
    const { name } = node.element;
    try {
      const convert = columnConverter(node);
      return { name, values: answer.columns[i].flatMap((piece) => Array.from(piece, convert)) };
    } catch (cause) {
      throw unreadable(table.file, reasonOf(cause), cause);
    }
  });
  return Array.from({ length: answer.rows }, (_, row) =>
    Object.fromEntries(converted.map(({ name, values }) => [name, values[row]])),
  );
}

const reasonIn = (answer: Answer): string => ('reason' in answer ? answer.reason : 'another answer came');

function unreadable({ path }: DataFile, reason: string, cause?: unknown): DataError {
  return new DataError(`${path} cannot be read: ${reason}.`, { code: 'data.parquet', cause });
}
