import { decodeUtf8, describeInvalidUtf8, ExactNumber, JsonProblem, parseJson } from '@graft/core/internal';
import type { SchemaElement, SchemaTree } from 'hyparquet';
import { civilDate, civilTime, civilTimestamp, type Unit } from './civil';

/** A value that cannot be read as its declared type: its row is refused when it is read. */
export class UnreadableValue {
  constructor(
    /** A description for the row's error: `text that is not UTF-8 (byte 0xff at offset 2)`. */
    readonly problem: string,
    private readonly bytes: Uint8Array,
  ) {}

  /** The content, for users that need only the content. */
  toJSON(): string {
    return Buffer.from(this.bytes).toString('base64');
  }
}

/** A part of a value that cannot be read. */
class Unreadable extends Error {
  constructor(
    problem: string,
    readonly bytes: Uint8Array = new Uint8Array(0),
  ) {
    super(problem);
  }
}

type Convert = (raw: unknown) => unknown;

/**
 * Converts a column's stored values to their meaning: texts, numbers with all their digits, dates and times in ISO
 * 8601, lists and objects. Bytes without a type are text if they are UTF-8. `node`: the column in the file's schema;
 * the values are those of `storedSchema`.
 */
export function columnConverter(node: SchemaTree): Convert {
  const convert = converterOf(node);
  return (raw) => {
    try {
      return convert(raw);
    } catch (error) {
      if (error instanceof Unreadable) return new UnreadableValue(error.message, error.bytes);
      throw error;
    }
  };
}

function converterOf(node: SchemaTree): Convert {
  const { element, children } = node;
  const convert = children.length === 0 ? leafConverter(element) : groupConverter(node);
  const optional: Convert = (raw) => (raw === null || raw === undefined ? null : convert(raw));
  return element.repetition_type === 'REPEATED' ? listOf(optional) : optional;
}

const listOf =
  (convert: Convert): Convert =>
  (raw) =>
    raw === null || raw === undefined ? null : Array.from(raw as ArrayLike<unknown>, convert);

function groupConverter(node: SchemaTree): Convert {
  const { element, children } = node;
  if (element.logical_type?.type === 'VARIANT') return () => unreadable('a VARIANT');
  const items = listItems(node);
  if (items) return listOf(converterOf(items));
  const fields = children.map((child) => ({ name: child.element.name, convert: converterOf(child) }));
  const toObject: Convert = (raw) =>
    Object.fromEntries(fields.map(({ name, convert }) => [name, convert((raw as Record<string, unknown>)[name])]));
  return isMap(node) ? (raw) => mapOf(toObject(raw) as Record<string, unknown>, children[0].element.name) : toObject;
}

/** The items of a list, as hyparquet finds them. */
function listItems({ element, children }: SchemaTree): SchemaTree | undefined {
  const [repeated] = children;
  const isList =
    element.converted_type === 'LIST' &&
    children.length === 1 &&
    repeated.children.length <= 1 &&
    repeated.element.repetition_type === 'REPEATED';
  if (!isList) return undefined;
  if (repeated.children.length === 1) return repeated.children[0];
  return { ...repeated, element: { ...repeated.element, repetition_type: 'REQUIRED' } };
}

function isMap({ element, children }: SchemaTree): boolean {
  const isDeclared = element.converted_type === 'MAP' || element.converted_type === 'MAP_KEY_VALUE';
  return isDeclared && children.length === 1 && children[0].children.length === 2;
}

function mapOf(group: Record<string, unknown>, name: string): Record<string, unknown> {
  const entries = (group[name] as Record<string, unknown>[] | null) ?? [];
  const pairs = entries.map((entry) => Object.values(entry) as [unknown, unknown]);
  const odd = pairs.find(([key]) => typeof key !== 'string');
  if (odd) unreadable('a map whose keys are not texts');
  const object = Object.fromEntries(pairs) as Record<string, unknown>;
  if (Object.keys(object).length < pairs.length) unreadable('a map that has a key twice');
  return object;
}

function unreadable(problem: string, bytes?: Uint8Array): never {
  throw new Unreadable(problem, bytes);
}

function leafConverter(element: SchemaElement): Convert {
  const { type, converted_type: old, logical_type: logical, scale = 0 } = element;
  if (old === 'DECIMAL' || logical?.type === 'DECIMAL') {
    const digits = logical?.type === 'DECIMAL' ? logical.scale : scale;
    return (raw) => decimal(raw instanceof Uint8Array ? bigEndian(raw) : BigInt(raw as number), digits);
  }
  switch (type) {
    case 'BOOLEAN':
      return Boolean;
    case 'INT32':
    case 'INT64':
      return integerConverter(element);
    case 'INT96':
      return (raw) => civilTimestamp(raw as bigint, 'NANOS', false) ?? unreadable('a time out of range');
    case 'FLOAT':
      return (raw) => float32(raw as number);
    case 'DOUBLE':
      return (raw) => float64(raw as number);
    case 'BYTE_ARRAY':
      return bytesConverter(element);
    case 'FIXED_LEN_BYTE_ARRAY':
      if (logical?.type === 'UUID') return (raw) => uuid(raw as Uint8Array);
      if (logical?.type === 'FLOAT16') return (raw) => float64(float16(raw as Uint8Array));
      if (old === 'INTERVAL') return () => unreadable('an INTERVAL');
      return (raw) => raw;
    default:
      return () => unreadable(`a value of the type ${String(type)}`);
  }
}

function integerConverter({ type, converted_type: old, logical_type: logical }: SchemaElement): Convert {
  const toBig = (raw: unknown): bigint => BigInt(raw as number);
  if (logical?.type === 'DATE' || old === 'DATE')
    return (raw) => civilDate(toBig(raw)) ?? unreadable('a date out of range');
  const unit: Unit | undefined =
    logical?.type === 'TIMESTAMP' || logical?.type === 'TIME'
      ? logical.unit
      : old?.endsWith('_MILLIS')
        ? 'MILLIS'
        : old?.endsWith('_MICROS')
          ? 'MICROS'
          : undefined;
  if (unit && (logical?.type === 'TIME' || old?.startsWith('TIME_')))
    return (raw) => civilTime(toBig(raw), unit) ?? unreadable('a time out of range');
  if (unit) {
    // The old types are in UTC.
    const inUtc = logical?.type === 'TIMESTAMP' ? logical.isAdjustedToUTC : true;
    return (raw) => civilTimestamp(toBig(raw), unit, inUtc) ?? unreadable('a time out of range');
  }
  const isUnsigned = logical?.type === 'INTEGER' ? !logical.isSigned : old?.startsWith('UINT_');
  if (type === 'INT64') return isUnsigned ? (raw) => BigInt.asUintN(64, toBig(raw)) : (raw) => raw;
  return isUnsigned ? (raw) => (raw as number) >>> 0 : (raw) => raw;
}

function bytesConverter({ converted_type: old, logical_type: logical }: SchemaElement): Convert {
  const isText = ['UTF8', 'ENUM'].includes(old ?? '') || ['STRING', 'ENUM'].includes(logical?.type ?? '');
  if (isText) return (raw) => textOf(raw as Uint8Array);
  if (old === 'JSON' || logical?.type === 'JSON')
    return (raw) => {
      try {
        return parseJson(textOf(raw as Uint8Array), { exactNumbers: true });
      } catch (error) {
        if (!(error instanceof JsonProblem)) throw error;
        const at = error.offset === undefined ? '' : ` at character ${error.offset + 1}`;
        return unreadable(`what is not JSON (${error.what}${at})`, raw as Uint8Array);
      }
    };
  if (old === 'BSON' || logical?.type === 'BSON') return () => unreadable('BSON');
  if (logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY') return (raw) => raw;
  // Old writers omit the type of a text.
  return (raw) => decodeUtf8(raw as Uint8Array) ?? raw;
}

function textOf(bytes: Uint8Array): string {
  return decodeUtf8(bytes) ?? unreadable(`text that is not UTF-8 (${describeInvalidUtf8(bytes)})`, bytes);
}

/** Two's complement, the most significant byte first. */
function bigEndian(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

/** `unscaled` times 10^-scale, with all its digits. */
function decimal(unscaled: bigint, scale: number): ExactNumber {
  if (scale < 0 || scale > 10_000) unreadable(`a DECIMAL of scale ${scale}`);
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return new ExactNumber(unscaled < 0n ? `-${text}` : text);
}

const float64 = (value: number): number | ExactNumber => (Object.is(value, -0) ? new ExactNumber('-0') : value);

/** The shortest digits that give the same float32, such as 0.1, not those of the float64 here. */
function float32(value: number): number | ExactNumber {
  if (Number.isInteger(value) || !Number.isFinite(value)) return float64(value);
  for (let precision = 1; precision < 9; precision++) {
    const shorter = Number(value.toPrecision(precision));
    if (Math.fround(shorter) === value) return shorter === value ? value : new ExactNumber(String(shorter));
  }
  return new ExactNumber(String(Number(value.toPrecision(9))));
}

/** Little-endian. */
function float16(bytes: Uint8Array): number {
  const bits = bytes[0] | (bytes[1] << 8);
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 0x1f, bits & 0x3ff];
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? 2 ** -14 * (fraction / 1024) : 2 ** (exponent - 15) * (1 + fraction / 1024));
}

function uuid(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
