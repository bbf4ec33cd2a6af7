import { DataError, didYouMean, openRegularFile } from '@graft/core';
import type {
  AsyncBuffer,
  ColumnChunk,
  FileMetaData,
  ParquetParsers,
  RowGroup,
  SchemaElement,
  SchemaTree,
} from 'hyparquet';
import type { FileHandle } from 'node:fs/promises';
import { unreadable } from '../file-bytes';
import type { DataFile } from '../find-files';
import type { Row } from '../rows';
import { decompressorOf } from './codecs';
import { checkPages } from './pages';
import { Damaged, Unsupported } from './problems';
import { columnConverter, STORED_PARSERS, storedSchema } from './values';

// ES modules, which CommonJS gets by `import()` alone on every Node.
const parquet = (): Promise<typeof import('hyparquet')> => import('hyparquet');

/** Rows of the longest row group: one is in memory as a whole. */
const LONGEST_GROUP = 2 ** 24;

/** A Parquet file's table of contents. */
export interface Table {
  readonly file: DataFile;
  readonly metadata: FileMetaData;
  readonly schema: SchemaTree;
  /** The columns. */
  readonly names: readonly string[];
}

/** Throws DataError where the file is damaged, or is not a Parquet file that can be read. */
export async function openTable(file: DataFile): Promise<Table> {
  const { parquetMetadataAsync, parquetSchema } = await parquet();
  return reading(file, async (buffer) => {
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false });
    checkSchema(metadata.schema);
    const schema = parquetSchema(metadata);
    const names = schema.children.map(({ element }) => element.name);
    const twice = names.find((name, i) => names.indexOf(name) < i);
    if (twice !== undefined) throw new Unsupported(`it has two columns with the name "${twice}"`);
    metadata.row_groups.forEach((group, i) => checkGroup(group, i, file));
    return { file, metadata, schema, names };
  });
}

/** The library believes that every field is there. */
function checkSchema(elements: readonly Partial<SchemaElement>[]): void {
  if (elements.length === 0) throw new Damaged('it has no schema');
  for (const { name } of elements) if (typeof name !== 'string') throw new Damaged('a column in it has no name');
}

function checkGroup({ num_rows: rows, columns }: RowGroup, index: number, { size }: DataFile): void {
  const name = `row group ${index + 1}`;
  if (rows === undefined || rows < 0n) throw new Damaged(`${name} has no number of rows`);
  if (rows > LONGEST_GROUP)
    throw new Unsupported(
      `${name} has ${rows} rows, which are in memory together: more than ${LONGEST_GROUP} are not read`,
    );
  for (const { meta_data: meta, file_path: elsewhere } of columns) {
    if (elsewhere !== undefined) throw new Unsupported('its columns lie in other files, which is not supported');
    if (!meta) throw new Unsupported('it is encrypted, or lacks what describes its columns');
    const start = startOf(meta);
    const inFile =
      start >= 4n && meta.total_compressed_size >= 0n && start + meta.total_compressed_size <= BigInt(size);
    if (!inFile || meta.num_values < 0n || meta.num_values > 2n ** 31n)
      throw new Damaged(`column "${meta.path_in_schema.join('.')}" of ${name} does not lie in the file`);
  }
}

const startOf = ({ dictionary_page_offset, data_page_offset }: NonNullable<ColumnChunk['meta_data']>): bigint =>
  dictionary_page_offset || data_page_offset;

/** The column that a key is in: that of its name, or `a` of `a.b`. Throws DataError, naming the columns that there are. */
export function columnOf({ file, names }: Table, key: string): string {
  const column = names.includes(key) ? key : key.split('.')[0];
  if (names.includes(column)) return column;
  const near = didYouMean(column, names) || '.';
  throw new DataError(`${file.path} has no column "${column}"; it has ${names.join(', ') || 'none'}${near}`, {
    code: 'data.column',
    exitCode: 2,
  });
}

/**
 * Some columns of a row group. What cannot be read as what it is declared to be is an UnreadableValue. Throws DataError where
 * the file is damaged.
 */
export async function readGroup(table: Table, columns: readonly string[], index: number): Promise<Row[]> {
  const { parquetReadObjects } = await parquet();
  return reading(table.file, async (buffer, read) => {
    const group = table.metadata.row_groups[index];
    const rows = Number(group.num_rows);
    const nodes = table.schema.children.filter(({ element }) => columns.includes(element.name));
    const checked = new Map<string, Uint8Array[]>();
    const chunks: ColumnChunk[] = [];
    const held = new Map<number, ArrayBuffer>();
    for (const leaf of nodes.flatMap((node) => leavesOf(node))) {
      const found = group.columns.filter(({ meta_data }) => samePath(meta_data!.path_in_schema, leaf.path));
      const where = `column "${leaf.path.join('.')}", row group ${index + 1}`;
      if (found.length !== 1) throw new Damaged(`${where}: it is there ${found.length} times`);
      const metadata = found[0].meta_data!;
      if (metadata.type !== leaf.type) throw new Damaged(`${where}: it has another type than it declares`);
      const [start, length] = [Number(startOf(metadata)), Number(metadata.total_compressed_size)];
      const bytes = await read(start, start + length);
      held.set(start, bytes);
      // Under a name of its own each column's pages come back in order, checked and unpacked.
      const codec = `checked ${chunks.length}` as typeof metadata.codec;
      try {
        const shape = { ...leaf, metadata, rows };
        checked.set(codec, checkPages(new Uint8Array(bytes), shape, await decompressorOf(metadata.codec)));
      } catch (cause) {
        throw cause instanceof Damaged ? new Damaged(`${where}: ${cause.message}`, { cause }) : cause;
      }
      chunks.push({ ...found[0], meta_data: { ...metadata, codec } });
    }
    const slice: AsyncBuffer['slice'] = (start, end = buffer.byteLength) => {
      const whole = held.get(start);
      return whole?.byteLength === end - start ? whole : read(start, end);
    };
    const stored = await parquetReadObjects({
      file: { byteLength: buffer.byteLength, slice },
      metadata: {
        ...table.metadata,
        schema: storedSchema(table.metadata.schema),
        row_groups: [{ ...group, columns: chunks }],
      },
      columns: nodes.map(({ element }) => element.name),
      compressors: Object.fromEntries([...checked].map(([codec, pages]) => [codec, () => pages.shift()!])),
      utf8: false,
      parsers: STORED_PARSERS as Partial<ParquetParsers>,
    });
    if (stored.length !== rows) throw new Damaged(`row group ${index + 1} has ${stored.length} rows, not ${rows}`);
    const converters = nodes.map((node) => [node.element.name, columnConverter(node)] as const);
    return stored.map((row) => Object.fromEntries(converters.map(([name, convert]) => [name, convert(row[name])])));
  });
}

interface Leaf {
  readonly path: readonly string[];
  readonly type: string | undefined;
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** The columns that lie in the file for one of the table. */
function leavesOf(node: SchemaTree, maxDefinition = 0, maxRepetition = 0): Leaf[] {
  const { repetition_type: repetition, type } = node.element;
  const definition = maxDefinition + Number(repetition !== 'REQUIRED');
  const levels = maxRepetition + Number(repetition === 'REPEATED');
  if (node.children.length > 0) return node.children.flatMap((child) => leavesOf(child, definition, levels));
  return [{ path: node.path, type, maxDefinition: definition, maxRepetition: levels }];
}

const samePath = (one: readonly string[], two: readonly string[]): boolean =>
  one.length === two.length && one.every((step, i) => step === two[i]);

type Read = (start: number, end: number) => Promise<ArrayBuffer>;

/** Opens the file for one reading. Throws DataError where it is damaged, or not the one that it was. */
async function reading<T>(
  { path, size }: DataFile,
  work: (buffer: AsyncBuffer, read: Read) => T | Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegularFile(path);
    const file = handle;
    if ((await file.stat()).size !== size) throw new Unsupported(`it no longer has the ${size} bytes it had`);
    const read: Read = (start, end) => slice(file, start, end);
    return await work({ byteLength: size, slice: (start, end = size) => read(start, end) }, read);
  } catch (cause) {
    if (handle === undefined || cause instanceof DataError) throw unreadable(path, cause);
    const isSystems = (cause as NodeJS.ErrnoException).syscall !== undefined;
    // What is not there is a TypeError or a RangeError, whose words are not about the file.
    const isProgramming = cause instanceof TypeError || cause instanceof RangeError;
    const reason = isProgramming ? 'a place or a length in it is wrong' : (cause as Error).message;
    const isNamed = isSystems || cause instanceof Unsupported;
    throw new DataError(`${path} cannot be read: ${isNamed ? reason : `it is damaged (${reason})`}.`, {
      code: 'data.parquet',
      cause,
    });
  } finally {
    await handle?.close();
  }
}

async function slice(file: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  for (let filled = 0; filled < bytes.length;) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) throw new Unsupported('it ends too early');
    filled += bytesRead;
  }
  return bytes.buffer;
}
