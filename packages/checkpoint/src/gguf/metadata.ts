import { shownJson, shortened } from '@graft/errors';
import type { Cursor } from './cursor';
import { malformedGguf } from './problems';

/** Numbers of an array, in the type that the file gives them. */
export type GgufNumbers =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** A value of a GGUF file's metadata. */
export type GgufValue = number | boolean | string | readonly string[] | GgufNumbers;

/** Most keys of a file; published ones have about 40. */
const MOST_KEYS = 1 << 14;
/** As the format's own documentation says. */
const LONGEST_KEY_BYTES = 65535;
/** Most texts of all arrays together; the largest vocabularies and their merges have under a million. */
const MOST_TEXTS = 1 << 22;

const [TEXT, ARRAY] = [8, 9];

interface NumberType {
  readonly name: string;
  readonly bytes: number;
  readonly read: (view: DataView, at: number) => number | bigint | boolean;
  /** Bytes whose position is a multiple of their size, as numbers. */
  readonly view: (buffer: ArrayBuffer) => GgufNumbers | BigInt64Array | BigUint64Array;
}

const NUMBERS: Readonly<Record<number, NumberType>> = {
  0: { name: 'uint8', bytes: 1, read: (view, at) => view.getUint8(at), view: (buffer) => new Uint8Array(buffer) },
  1: { name: 'int8', bytes: 1, read: (view, at) => view.getInt8(at), view: (buffer) => new Int8Array(buffer) },
  2: {
    name: 'uint16',
    bytes: 2,
    read: (view, at) => view.getUint16(at, true),
    view: (buffer) => new Uint16Array(buffer),
  },
  3: { name: 'int16', bytes: 2, read: (view, at) => view.getInt16(at, true), view: (buffer) => new Int16Array(buffer) },
  4: {
    name: 'uint32',
    bytes: 4,
    read: (view, at) => view.getUint32(at, true),
    view: (buffer) => new Uint32Array(buffer),
  },
  5: { name: 'int32', bytes: 4, read: (view, at) => view.getInt32(at, true), view: (buffer) => new Int32Array(buffer) },
  6: {
    name: 'float32',
    bytes: 4,
    read: (view, at) => view.getFloat32(at, true),
    view: (buffer) => new Float32Array(buffer),
  },
  7: { name: 'bool', bytes: 1, read: (view, at) => view.getUint8(at) === 1, view: (buffer) => new Uint8Array(buffer) },
  10: {
    name: 'uint64',
    bytes: 8,
    read: (view, at) => view.getBigUint64(at, true),
    view: (buffer) => new BigUint64Array(buffer),
  },
  11: {
    name: 'int64',
    bytes: 8,
    read: (view, at) => view.getBigInt64(at, true),
    view: (buffer) => new BigInt64Array(buffer),
  },
  12: {
    name: 'float64',
    bytes: 8,
    read: (view, at) => view.getFloat64(at, true),
    view: (buffer) => new Float64Array(buffer),
  },
};

/** The metadata of a file: keys with typed values. */
export class GgufMetadata {
  constructor(
    private readonly file: string,
    private readonly values: ReadonlyMap<string, GgufValue>,
  ) {}

  get keys(): readonly string[] {
    return [...this.values.keys()];
  }

  /** The value of a key as it is; undefined if the file has none. */
  get(key: string): GgufValue | undefined {
    return this.values.get(key);
  }

  /** Throws CheckpointError if the value is not a text. Undefined if there is none; so are the methods below. */
  text(key: string): string | undefined {
    const value = this.values.get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(key, 'a text');
  }

  number(key: string): number | undefined {
    const value = this.values.get(key);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw this.wrong(key, 'a finite number');
  }

  /** An integer from `least` to 2^31 - 1. */
  integer(key: string, least = 0): number | undefined {
    const value = this.number(key);
    if (value === undefined || (Number.isInteger(value) && value >= least && value < 2 ** 31)) return value;
    throw this.wrong(key, `an integer of at least ${least}`);
  }

  flag(key: string): boolean | undefined {
    const value = this.values.get(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false');
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.values.get(key);
    if (value === undefined || Array.isArray(value)) return value as readonly string[] | undefined;
    throw this.wrong(key, 'a list of texts');
  }

  numbers(key: string): GgufNumbers | undefined {
    const value = this.values.get(key);
    if (value === undefined || ArrayBuffer.isView(value)) return value;
    throw this.wrong(key, 'a list of numbers');
  }

  private wrong(key: string, expected: string): Error {
    const value = this.values.get(key);
    const shown = ArrayBuffer.isView(value) ? `a list of ${value.length} numbers` : shownJson(value, 'nothing', 60);
    return malformedGguf(this.file, `its key "${key}" is ${shown}, expected ${expected}`);
  }
}

/** Reads `count` keys with their values. Throws CheckpointError for a key that is there twice and for unknown types. */
export function readMetadata(cursor: Cursor, count: number): GgufMetadata {
  const values = new Map<string, GgufValue>();
  const budget = { texts: MOST_TEXTS };
  for (let i = 0; i < count; i++) {
    const key = cursor.text(`the name of key ${i + 1}`, LONGEST_KEY_BYTES);
    if (values.has(key)) throw malformedGguf(cursor.file, `the key ${shownKey(key)} is there twice`);
    const type = cursor.uint32(`the type of ${shownKey(key)}`);
    values.set(key, readValue(cursor, key, type, budget));
  }
  return new GgufMetadata(cursor.file, values);
}

/** How many keys a header claims to have. */
export const readKeyCount = (cursor: Cursor): number => cursor.count('its number of keys', MOST_KEYS);

const shownKey = (key: string): string => `"${shortened(key, 80)}"`;

function readValue(cursor: Cursor, key: string, type: number, budget: { texts: number }): GgufValue {
  const what = `the value of ${shownKey(key)}`;
  if (type === TEXT) return cursor.text(what);
  if (type === ARRAY) return readArray(cursor, key, budget);
  const found = numberType(cursor, key, type);
  const bytes = cursor.take(found.bytes, what);
  const value = found.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  return typeof value === 'bigint' ? exact(cursor, key, value) : value;
}

function readArray(cursor: Cursor, key: string, budget: { texts: number }): GgufValue {
  const what = `the list of ${shownKey(key)}`;
  const type = cursor.uint32(what);
  const length = cursor.count(`the length of ${what}`);
  if (type === TEXT) {
    // Each text has at least its length.
    cursor.need(8 * length, what);
    budget.texts -= length;
    if (budget.texts < 0)
      throw malformedGguf(cursor.file, `its lists have more than ${MOST_TEXTS.toLocaleString('en')} texts`);
    return Array.from({ length }, (_, i) => cursor.text(`text ${i} of ${shownKey(key)}`));
  }
  if (type === ARRAY) throw malformedGguf(cursor.file, `the key ${shownKey(key)} has lists in a list`);
  const found = numberType(cursor, key, type);
  // A copy, because its position in the file need not be aligned.
  const numbers = found.view(new Uint8Array(cursor.take(found.bytes * length, what)).buffer);
  if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array)
    return Float64Array.from(numbers as Iterable<bigint>, (value) => exact(cursor, key, value));
  return numbers;
}

function numberType(cursor: Cursor, key: string, type: number): NumberType {
  if (Object.hasOwn(NUMBERS, type)) return NUMBERS[type];
  const names = Object.values(NUMBERS).map(({ name }) => name);
  throw malformedGguf(
    cursor.file,
    `the key ${shownKey(key)} has the type ${type}, which is none of ${[...names, 'text'].join(', ')} and list`,
  );
}

function exact(cursor: Cursor, key: string, value: bigint): number {
  if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw malformedGguf(cursor.file, `the key ${shownKey(key)} is ${value}, which has more than 53 bits`);
}
