import type { ColumnMetaData } from 'hyparquet';
import * as zlib from 'node:zlib';
import type { Decompress } from './codecs';
import { LONGEST_PAGE_BYTES, type Unpacked } from './limits';
import type { Progress } from './progress';
import { bitsOf, PageBytes, walkDeltas, walkRuns } from './runs';
import { Damaged, Unsupported } from './problems';
import { ThriftReader, type ThriftFields } from './thrift';

/** Properties that the pages of a column must agree with. */
export interface ColumnShape {
  readonly metadata: ColumnMetaData;
  /** Rows of its row group. */
  readonly rows: number;
  /** Largest definition and repetition level; 0 if the pages have none. */
  readonly maxDefinition: number;
  readonly maxRepetition: number;
  /** Of its row group. */
  readonly unpacked: Unpacked;
  readonly progress: Progress;
}

const PAGES = ['data', 'index', 'dictionary', 'data, version 2'];
const ENCODINGS = [
  'PLAIN',
  'GROUP_VAR_INT',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
  'BYTE_STREAM_SPLIT',
];

const numberIn = (fields: ThriftFields, id: number): number => {
  const value = fields.get(id);
  if (typeof value !== 'number' || value < 0)
    throw new Damaged('a page header has a length that is not there, or negative');
  return value;
};

const structIn = (fields: ThriftFields, id: number): ThriftFields => {
  const value = fields.get(id);
  if (!(value instanceof Map)) throw new Damaged('a page header lacks a part');
  return value as ThriftFields;
};

/**
 * Checks the pages of a column before they are decoded: sizes, checksums, counts, and everything that is counted within
 * them. The library that decodes them trusts its input; with a wrong length it never ends, or gives other values.
 * Returns the pages' values unpacked, in order, each in its own memory, so that nothing after a page is read as its
 * values. Throws Damaged.
 */
export function checkPages(bytes: Uint8Array, column: ColumnShape, decompress: Decompress): Uint8Array[] {
  const unpacked: Uint8Array[] = [];
  const expected = Number(column.metadata.num_values);
  let dictionary: number | undefined;
  let [values, rows] = [0, 0];
  for (let at = 0; values < expected;) {
    const thrift = new ThriftReader(bytes, at);
    const header = thrift.struct();
    const page = pageOf(bytes, header, thrift.at);
    at = thrift.at + page.data.length;
    column.unpacked.add(page.length);
    column.progress.step();
    if (page.kind === 'index') throw new Damaged('there is an index page among the data');
    if (page.kind === 'dictionary') {
      if (dictionary !== undefined || values > 0) throw new Damaged('there is a second dictionary');
      dictionary = numberIn(structIn(header, 7), 1);
      unpacked.push(own(decompress(page.data, page.length), page.length));
      // A value takes at least one bit.
      if (dictionary > 8 * page.length)
        throw new Damaged(`a dictionary of ${page.length} bytes has ${dictionary} values`);
      continue;
    }
    const counted =
      page.kind === 'data'
        ? checkData(structIn(header, 5), page, { column, dictionary, decompress, unpacked })
        : checkData2(structIn(header, 8), page, { column, dictionary, decompress, unpacked });
    values += counted.values;
    rows += counted.rows;
  }
  if (values !== expected) throw new Damaged(`its pages have ${values} values where there should be ${expected}`);
  if (rows !== column.rows) throw new Damaged(`its pages have ${rows} rows where there should be ${column.rows}`);
  return unpacked;
}

interface Page {
  readonly kind: string;
  readonly data: Uint8Array;
  /** Bytes when unpacked. */
  readonly length: number;
}

function pageOf(bytes: Uint8Array, header: ThriftFields, start: number): Page {
  const kind = PAGES[numberIn(header, 1)];
  if (kind === undefined) throw new Damaged('there is a page of an unknown kind');
  const length = numberIn(header, 2);
  const packed = numberIn(header, 3);
  if (packed > bytes.length - start) throw new Damaged('a page extends beyond its column');
  if (length > LONGEST_PAGE_BYTES)
    throw new Unsupported(`it has a page of ${length} bytes: more than ${LONGEST_PAGE_BYTES} are not read`);
  const data = bytes.subarray(start, start + packed);
  const sum = header.get(4);
  // Node has it since 20.15.
  if (typeof sum === 'number' && typeof zlib.crc32 === 'function' && zlib.crc32(data) !== sum >>> 0)
    throw new Damaged('a page does not have its checksum');
  return { kind, data, length };
}

interface Checking {
  readonly column: ColumnShape;
  /** Values of the dictionary, if there is one. */
  readonly dictionary: number | undefined;
  readonly decompress: Decompress;
  readonly unpacked: Uint8Array[];
}

interface Counted {
  readonly values: number;
  readonly rows: number;
}

function checkData(head: ThriftFields, page: Page, { column, dictionary, decompress, unpacked }: Checking): Counted {
  const values = numberIn(head, 1);
  const bytes = own(decompress(page.data, page.length), page.length);
  unpacked.push(bytes);
  const from = new PageBytes(bytes);
  const levels = (largest: number, encoding: number): PageBytes => {
    if (largest === 0) return from.part(0);
    const name = ENCODINGS[numberIn(head, encoding)];
    if (name !== 'RLE') throw new Unsupported(`it has levels in the encoding ${name}, which is not supported`);
    return from.part(from.uint32());
  };
  const rows = countLevels(levels(column.maxRepetition, 4), column.maxRepetition, values, 0);
  const present = countLevels(levels(column.maxDefinition, 3), column.maxDefinition, values, column.maxDefinition);
  checkValues(from, numberIn(head, 2), present, column, dictionary);
  return { values, rows };
}

function checkData2(head: ThriftFields, page: Page, { column, dictionary, decompress, unpacked }: Checking): Counted {
  const values = numberIn(head, 1);
  const [definitions, repetitions] = [numberIn(head, 5), numberIn(head, 6)];
  const from = new PageBytes(page.data);
  const rows = countLevels(from.part(repetitions), column.maxRepetition, values, 0);
  const present = countLevels(from.part(definitions), column.maxDefinition, values, column.maxDefinition);
  if (present !== values - numberIn(head, 2)) throw new Damaged('a page has another number of values than it declares');
  if (rows !== numberIn(head, 3)) throw new Damaged('a page has another number of rows than it declares');
  const length = page.length - definitions - repetitions;
  if (length < 0) throw new Damaged('a page is shorter than its levels');
  const data = page.data.subarray(from.at);
  const isPacked = head.get(7) !== false;
  // A page without values may lack data to unpack.
  const bytes = !isPacked ? data : own(decompress(data, length), length);
  if (isPacked) unpacked.push(bytes);
  checkValues(new PageBytes(bytes), numberIn(head, 4), present, column, dictionary);
  return { values, rows };
}

/** How many of the levels are `wanted`; all if there are no levels. */
function countLevels(from: PageBytes, largest: number, count: number, wanted: number): number {
  if (largest === 0) return count;
  let found = 0;
  walkRuns(from, bitsOf(largest), count, (level, times) => {
    if (level > largest) throw new Damaged(`a page has the level ${level}, where ${largest} is the largest`);
    if (level === wanted) found += times;
  });
  return found;
}

function checkValues(
  from: PageBytes,
  encoding: number,
  count: number,
  { metadata: { type } }: ColumnShape,
  dictionary: number | undefined,
): void {
  const name = ENCODINGS[encoding];
  if (name === undefined) throw new Damaged('a page has an unknown encoding');
  if (name.endsWith('DICTIONARY')) {
    if (dictionary === undefined) throw new Damaged('a page refers to a dictionary that is not there');
    if (count === 0) return;
    walkRuns(from, from.byte(), count, (index) => {
      if (index >= dictionary) throw new Damaged(`a page refers to value ${index} of a dictionary of ${dictionary}`);
    });
  } else if (name === 'RLE') {
    if (type !== 'BOOLEAN') throw new Damaged('a page has an encoding that its type does not have');
    if (count > 0) walkRuns(from.part(from.uint32()), 1, count, () => undefined);
  } else if (name.startsWith('DELTA')) {
    if (count === 0) return;
    walkDeltas(from, count);
    if (name === 'DELTA_BYTE_ARRAY') walkDeltas(from, count);
  }
}

/** Bytes in their own memory; Damaged if their number is wrong. */
function own(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw new Damaged(`a page unpacks to ${bytes.length} bytes, not to ${length}`);
  return bytes.byteOffset === 0 && bytes.buffer.byteLength === length ? bytes : Uint8Array.prototype.slice.call(bytes);
}
