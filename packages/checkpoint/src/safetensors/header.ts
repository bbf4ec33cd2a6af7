import { CheckpointError } from '@graft/engine';
import { elementCount, cutText, isObject, shortened } from '@graft/engine/internal';
import { isStoredDtype, STORED_DTYPES, storedWidth, type StoredDtype } from './dtypes';
import { malformed } from './problems';
import { keysInOrder } from '../json/key-order';
import { parseJson } from '../json/parse-json';
import { decodeUtf8, describeInvalidUtf8 } from '../json/unicode';

/** What a tensor is, apart from its numbers. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

/** The location of one tensor. */
export interface TensorInfo extends TensorSpec {
  readonly byteLength: number;
  readonly file: string;
  /** Position of the first byte in the file. */
  readonly offset: number;
}

export interface Header {
  /** In the order of the file. */
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Record<string, string>;
}

/** The reference implementation's own limit; a longer header means another kind of file. */
export const MAX_HEADER_BYTES = 100_000_000;

const METADATA = '__metadata__';

/** Bytes that a tensor takes in a file. */
export function sourceBytes({ dtype, shape }: Pick<TensorSpec, 'dtype' | 'shape'>): number {
  return elementCount(shape) * storedWidth(dtype);
}

/** `F32 [2, 3]` */
export function describeTensor({ dtype, shape }: Pick<TensorSpec, 'dtype' | 'shape'>): string {
  return `${dtype} [${shape.join(', ')}]`;
}

/**
 * Reads the JSON header of a safetensors file as hostile input: names are unique, every tensor is within the file and
 * has the size of its dtype and shape, and the tensors cover the data without gaps or overlaps.
 */
export function parseHeader(file: string, json: Uint8Array, dataStart: number, fileBytes: number): Header {
  const text = decodeUtf8(json);
  if (text === undefined)
    throw malformed(file, `its header of ${json.length} bytes is not UTF-8 (${describeInvalidUtf8(json)})`);
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch (cause) {
    throw malformed(file, `its header of ${json.length} bytes is not valid JSON: ${(cause as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || !text.startsWith('{'))
    throw malformed(file, `its header is not a JSON object: expected "{", got ${JSON.stringify(cutText(text, 10))}`);
  const entries = parsed as Record<string, unknown>;
  const tensors = new Map<string, TensorInfo>();
  for (const name of keysInOrder(entries, text))
    if (name !== METADATA) tensors.set(name, parseEntry(file, name, entries[name], dataStart, fileBytes));
  checkCoverage(file, tensors, dataStart, fileBytes);
  return { tensors, metadata: Object.hasOwn(entries, METADATA) ? parseMetadata(file, entries[METADATA]) : {} };
}

const quote = (value: unknown): string => {
  return shortened(JSON.stringify(value) ?? 'nothing', 120);
};

function parseMetadata(file: string, value: unknown): Record<string, string> {
  const isMap = isObject(value);
  if (isMap && Object.values(value).every((text) => typeof text === 'string')) return value as Record<string, string>;
  throw malformed(file, `its ${METADATA} is ${quote(value)}, expected a map from texts to texts`);
}

function parseEntry(file: string, name: string, entry: unknown, dataStart: number, fileBytes: number): TensorInfo {
  const wrong = (what: string, expected: string, got: string): CheckpointError =>
    malformed(file, `tensor ${quote(name)} ${what}: expected ${expected}, got ${got}`);
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    throw wrong('is not described', 'an object with dtype, shape and data_offsets', quote(entry));
  const { dtype, shape, data_offsets: offsets } = entry as Record<'dtype' | 'shape' | 'data_offsets', unknown>;
  if (!isStoredDtype(dtype)) throw wrong('has an unknown dtype', `one of ${STORED_DTYPES.join(', ')}`, quote(dtype));
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw wrong('has no valid shape', 'a list of sizes from 0 on', quote(shape));
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw wrong('has no valid data_offsets', 'two positions', quote(offsets));
  const [start, end] = offsets as [number, number];
  const byteLength = sourceBytes({ dtype, shape });
  if (end - start !== byteLength) {
    throw wrong(
      'has data_offsets that contradict its shape',
      `${byteLength} bytes for ${describeTensor({ dtype, shape })}`,
      `${end - start} bytes, [${start}, ${end}]`,
    );
  }
  if (dataStart + end > fileBytes)
    throw wrong('lies outside of the file', `a file of at least ${dataStart + end} bytes`, `${fileBytes} bytes`);
  return { name, dtype, shape, byteLength, file, offset: dataStart + start };
}

function checkCoverage(
  file: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  dataStart: number,
  fileBytes: number,
): void {
  let at = dataStart;
  const inOrder = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  for (const { name, offset, byteLength } of inOrder) {
    if (offset !== at) {
      const kind = offset < at ? 'overlaps another' : 'leaves a hole before it';
      throw malformed(file, `tensor ${quote(name)} ${kind}: expected to start at byte ${at}, got ${offset}`);
    }
    at += byteLength;
  }
  if (at !== fileBytes) throw malformed(file, `expected ${at} bytes, as its header says, got ${fileBytes}`);
}

/** A header for consecutive tensors in the given order, and the offset of each in the file. */
export function buildHeader(
  specs: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>>,
): { readonly bytes: Uint8Array; readonly offsets: readonly number[]; readonly fileBytes: number } {
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== 'string')
      throw new CheckpointError(`The metadata ${quote(key)} are a ${typeof value}; the format holds texts alone.`, {
        code: 'checkpoint.metadata',
      });
  // Assembled as text: an object would sort names like "7" to the front and lose "__proto__".
  const parts = Object.keys(metadata).length > 0 ? [`${quote(METADATA)}:${JSON.stringify(metadata)}`] : [];
  const names = new Set<string>();
  const starts: number[] = [];
  let at = 0;
  for (const spec of specs) {
    checkSpec(spec, names);
    names.add(spec.name);
    starts.push(at);
    const entry = { dtype: spec.dtype, shape: spec.shape, data_offsets: [at, (at += sourceBytes(spec))] };
    parts.push(`${JSON.stringify(spec.name)}:${JSON.stringify(entry)}`);
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  // Padded with spaces so that the data begin at a multiple of eight bytes.
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  if (bytes.length - 8 > MAX_HEADER_BYTES) {
    throw new CheckpointError(
      `The header of ${specs.length} tensors takes ${bytes.length - 8} bytes, expected at most ${MAX_HEADER_BYTES}.`,
      { code: 'checkpoint.header-size' },
    );
  }
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return { bytes, offsets: starts.map((start) => bytes.length + start), fileBytes: bytes.length + at };
}

function checkSpec(spec: TensorSpec, names: ReadonlySet<string>): void {
  const { name, dtype, shape } = spec;
  const wrong = (code: string, problem: string): CheckpointError =>
    new CheckpointError(`Tensor ${quote(name)} ${problem}.`, { code });
  if (names.has(name)) throw wrong('checkpoint.duplicate', 'was given twice');
  if (name === METADATA) throw wrong('checkpoint.duplicate', 'has a name that the format keeps for itself');
  if (!isStoredDtype(dtype))
    throw wrong('checkpoint.dtype', `has dtype ${quote(dtype)}; expected one of ${STORED_DTYPES.join(', ')}`);
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(sourceBytes(spec)))
    throw wrong('checkpoint.shape', `has shape [${shape.join(', ')}]; expected sizes from 0 on`);
}
