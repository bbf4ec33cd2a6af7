/** Reads parts of Parquet files, in a thread of its own or in this one: the table of contents, and stored values. */
import type {
  AsyncBuffer,
  ColumnChunk,
  FileMetaData,
  ParquetParsers,
  RowGroup,
  SchemaElement,
  SchemaTree,
} from 'hyparquet';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { DataFile } from '../find-files';
import { decompressorOf } from './codecs';
import { checkGroupSize, checkValues, LONGEST_FOOTER_BYTES, Unpacked } from './limits';
import { checkPages } from './pages';
import { Damaged, Unsupported } from './problems';
import type { Progress } from './progress';
import { STORED_PARSERS, storedSchema } from './stored';
import { ThriftReader } from './thrift';

// ES modules, which CommonJS can load on every Node only with `import()`.
const parquet = (): Promise<typeof import('hyparquet')> => import('hyparquet');

export interface Contents {
  readonly schema: readonly SchemaElement[];
  readonly groups: readonly RowGroup[];
}

/** Throws Damaged, Unsupported, or errors of the library and the system. */
export async function readContents(file: DataFile, progress: Progress): Promise<Contents> {
  const { parquetMetadata, parquetSchema } = await parquet();
  return withFile(file, progress, async (read) => {
    if (file.size < 12) throw new Damaged('it is too short');
    const [length, magic] = new Uint32Array((await read(file.size - 8, file.size)).slice(0));
    if (magic !== 0x31524150) throw new Damaged('it does not end as Parquet files do; was it written to its end?');
    if (length > file.size - 12) throw new Damaged(`its table of contents has ${length} bytes, the file ${file.size}`);
    if (length > LONGEST_FOOTER_BYTES)
      throw new Unsupported(
        `its table of contents has ${length} bytes: more than ${LONGEST_FOOTER_BYTES} are not read`,
      );
    const footer = await read(file.size - 8 - length, file.size);
    // The library trusts lengths.
    new ThriftReader(new Uint8Array(footer, 0, length), 0, 'its table of contents').struct();
    progress.step();
    const metadata: FileMetaData = parquetMetadata(footer, { geoparquet: false });
    progress.step();
    checkSchema(metadata.schema);
    parquetSchema(metadata);
    metadata.row_groups.forEach((group, i) => checkGroup(group, i, file));
    // Without the parts that nothing here reads: statistics are half of it.
    const groups = metadata.row_groups.map(({ columns, ...group }) => ({
      ...group,
      columns: columns.map(withoutStatistics),
    }));
    return { schema: metadata.schema, groups };
  });
}

function withoutStatistics({ meta_data: meta, ...chunk }: ColumnChunk): ColumnChunk {
  const {
    statistics: _,
    key_value_metadata: __,
    ...needed
  } = meta as ColumnChunk['meta_data'] & Record<string, unknown>;
  return { ...chunk, meta_data: needed as ColumnChunk['meta_data'] };
}

/** The library trusts that every field is there. */
function checkSchema(elements: readonly Partial<SchemaElement>[]): void {
  if (elements.length === 0) throw new Damaged('it has no schema');
  for (const { name } of elements) if (typeof name !== 'string') throw new Damaged('a column in it has no name');
}

function checkGroup(group: RowGroup, index: number, { size }: DataFile): void {
  const name = `row group ${index + 1}`;
  for (const { meta_data: meta, file_path: elsewhere } of group.columns) {
    if (elsewhere !== undefined) throw new Unsupported('its columns lie in other files, which is not supported');
    if (!meta) throw new Unsupported('it is encrypted, or lacks what describes its columns');
    if (typeof meta.num_values !== 'bigint' || typeof meta.total_compressed_size !== 'bigint')
      throw new Damaged(`a column of ${name} has no number of values, or no size`);
    const start = startOf(meta);
    const inFile =
      start >= 4n && meta.total_compressed_size >= 0n && start + meta.total_compressed_size <= BigInt(size);
    if (!inFile || meta.num_values < 0n || meta.num_values > 2n ** 31n)
      throw new Damaged(`column "${meta.path_in_schema.join('.')}" of ${name} does not lie in the file`);
  }
  checkGroupSize(group, name);
}

const startOf = ({ dictionary_page_offset, data_page_offset }: NonNullable<ColumnChunk['meta_data']>): bigint =>
  dictionary_page_offset || data_page_offset;

/** Which columns of which row group. */
export interface GroupWanted {
  readonly file: DataFile;
  readonly schema: readonly SchemaElement[];
  readonly group: RowGroup;
  /** From 0. */
  readonly index: number;
  readonly columns: readonly string[];
}

/** Values of consecutive rows, in pieces. */
export type StoredColumn = readonly ArrayLike<unknown>[];

export interface StoredGroup {
  /** In the order of the table's columns. */
  readonly columns: readonly StoredColumn[];
  /** Memory that contains the values, which may be transferred to another thread. */
  readonly memory: readonly ArrayBuffer[];
}

/** The stored values of some columns. Throws Damaged, Unsupported, or errors of the library and the system. */
export async function readStored(
  { file, schema, group, index, columns }: GroupWanted,
  progress: Progress,
): Promise<StoredGroup> {
  const { parquetRead, parquetSchema } = await parquet();
  const metadata = { version: 1, num_rows: group.num_rows, metadata_length: 0, schema: storedSchema(schema) };
  const tree = parquetSchema({ schema: [...schema] });
  return withFile(file, progress, async (read) => {
    const rows = Number(group.num_rows);
    const nodes = tree.children.filter(({ element }) => columns.includes(element.name));
    const leaves = nodes
      .flatMap((node) => leavesOf(node))
      .map((leaf) => ({ leaf, chunk: chunkOf(group, leaf, index) }));
    const packed = leaves.reduce((sum, { chunk }) => sum + Number(chunk.meta_data!.total_compressed_size), 0);
    const unpacked = new Unpacked(`row group ${index + 1}`, packed);
    const checked = new Map<string, Uint8Array[]>();
    const chunks: ColumnChunk[] = [];
    const held = new Map<number, ArrayBuffer>();
    const memory = new Set<ArrayBuffer>();
    for (const { leaf, chunk } of leaves) {
      const meta = chunk.meta_data!;
      const [start, length] = [Number(startOf(meta)), Number(meta.total_compressed_size)];
      const bytes = await read(start, start + length);
      held.set(start, bytes);
      memory.add(bytes);
      // With a codec name of its own, each column's pages come back in order, checked and unpacked.
      const codec = `checked ${chunks.length}` as typeof meta.codec;
      try {
        const shape = { ...leaf, metadata: meta, rows, unpacked, progress };
        const pages = checkPages(new Uint8Array(bytes), shape, await decompressorOf(meta.codec));
        checked.set(codec, pages);
        for (const page of pages) memory.add(page.buffer as ArrayBuffer);
      } catch (cause) {
        throw cause instanceof Damaged ? new Damaged(`${whereOf(leaf, index)}: ${cause.message}`, { cause }) : cause;
      }
      chunks.push({ ...chunk, meta_data: { ...meta, codec } });
    }
    const slice: AsyncBuffer['slice'] = (start, end = file.size) => {
      const whole = held.get(start);
      return whole?.byteLength === end - start ? whole : read(start, end);
    };
    const next = (pages: Uint8Array[]) => (): Uint8Array => {
      progress.step();
      return pages.shift()!;
    };
    const pieces = new Map<string, ArrayLike<unknown>[]>();
    await parquetRead({
      file: { byteLength: file.size, slice },
      metadata: { ...metadata, row_groups: [{ ...group, columns: chunks }] },
      columns: nodes.map(({ element }) => element.name),
      compressors: Object.fromEntries([...checked].map(([codec, pages]) => [codec, next(pages)])),
      utf8: false,
      parsers: STORED_PARSERS as Partial<ParquetParsers>,
      onChunk: ({ columnName, columnData }) => {
        progress.step();
        if (!pieces.has(columnName)) pieces.set(columnName, []);
        pieces.get(columnName)!.push(columnData);
      },
    });
    const stored = nodes.map(({ element }) => pieces.get(element.name) ?? []);
    for (const column of stored) {
      const found = column.reduce((sum, { length }) => sum + length, 0);
      if (found !== rows) throw new Damaged(`row group ${index + 1} has ${found} rows, not ${rows}`);
    }
    return { columns: stored, memory: [...memory] };
  });
}

interface Leaf {
  readonly path: readonly string[];
  readonly type: string | undefined;
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** The columns in the file that make up one column of the table. */
function leavesOf(node: SchemaTree, maxDefinition = 0, maxRepetition = 0): Leaf[] {
  const { repetition_type: repetition, type } = node.element;
  const definition = maxDefinition + Number(repetition !== 'REQUIRED');
  const levels = maxRepetition + Number(repetition === 'REPEATED');
  if (node.children.length > 0) return node.children.flatMap((child) => leavesOf(child, definition, levels));
  return [{ path: node.path, type, maxDefinition: definition, maxRepetition: levels }];
}

const whereOf = ({ path }: Leaf, index: number): string => `column "${path.join('.')}", row group ${index + 1}`;

function chunkOf({ columns }: RowGroup, leaf: Leaf, index: number): ColumnChunk {
  const found = columns.filter(({ meta_data }) => samePath(meta_data!.path_in_schema, leaf.path));
  const where = whereOf(leaf, index);
  if (found.length !== 1) throw new Damaged(`${where}: it is there ${found.length} times`);
  const [{ meta_data: meta }] = found;
  if (meta!.type !== leaf.type) throw new Damaged(`${where}: it has another type than it declares`);
  checkValues(meta!, where);
  return found[0];
}

const samePath = (one: readonly string[], two: readonly string[]): boolean =>
  one.length === two.length && one.every((step, i) => step === two[i]);

type Read = (start: number, end: number) => Promise<ArrayBuffer>;

/** Opens the file for one reading. Throws Unsupported if it is not the same file as before. */
async function withFile<T>({ path, size }: DataFile, progress: Progress, work: (read: Read) => Promise<T>): Promise<T> {
  // The caller has checked that it is a regular file, but another kind may have replaced it.
  const handle = await progress.reading(open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  try {
    const entry = await handle.stat();
    if (!entry.isFile()) throw new Unsupported('it is not a regular file any more');
    if (entry.size !== size) throw new Unsupported(`it no longer has the ${size} bytes it had`);
    return await work((start, end) => progress.reading(slice(handle, start, end)));
  } finally {
    await handle.close();
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
