import { CheckpointError } from '@graft/engine';
import { isStoredDtype, STORED_DTYPES, storedWidth, type StoredDtype } from './dtypes';

/** Where one tensor lies. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly file: string;
  /** Position of the first byte in the file. */
  readonly offset: number;
}

export interface Header {
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Record<string, string>;
}

/** The reference implementation's own bound; a longer header is a file of another kind. */
export const MAX_HEADER_BYTES = 100_000_000;

export function malformed(file: string, problem: string): CheckpointError {
  return new CheckpointError(`${file} is not a whole safetensors file: ${problem}.`, {
    code: 'checkpoint.malformed',
    hint: 'Copy or download the file again.',
  });
}

/**
 * Reads the JSON header of a safetensors file as hostile input: every offset must lie in the file, agree with dtype and
 * shape, and the tensors must cover the data without holes or overlaps.
 */
export function parseHeader(file: string, json: Uint8Array, dataStart: number, fileBytes: number): Header {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    throw malformed(file, 'its header is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw malformed(file, 'its header is not a JSON object');
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = entry as Record<string, string>;
    else tensors.set(name, parseEntry(file, name, entry, dataStart, fileBytes));
  }
  checkCoverage(file, tensors, dataStart, fileBytes);
  return { tensors, metadata };
}

function parseEntry(file: string, name: string, entry: unknown, dataStart: number, fileBytes: number): TensorInfo {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  if (!isStoredDtype(dtype)) {
    throw malformed(
      file,
      `tensor "${name}" has dtype ${JSON.stringify(dtype)}, expected one of ${STORED_DTYPES.join(', ')}`,
    );
  }
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize)) throw malformed(file, `tensor "${name}" has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw malformed(file, `tensor "${name}" has no valid data_offsets`);
  }
  const [start, end] = offsets as [number, number];
  const byteLength = shape.reduce((product, size) => product * size, storedWidth(dtype));
  if (end - start !== byteLength) {
    throw malformed(
      file,
      `tensor "${name}" (${dtype} [${shape.join(', ')}]) takes ${byteLength} bytes, but its data_offsets span ${end - start}`,
    );
  }
  if (dataStart + end > fileBytes) {
    throw malformed(file, `tensor "${name}" should end at byte ${dataStart + end}, but the file has ${fileBytes}`);
  }
  return { name, dtype, shape, byteLength, file, offset: dataStart + start };
}

function checkCoverage(
  file: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  dataStart: number,
  fileBytes: number,
): void {
  let at = dataStart;
  for (const { name, offset, byteLength } of [...tensors.values()].sort(
    (a, b) => a.offset - b.offset || a.byteLength - b.byteLength,
  )) {
    if (offset !== at)
      throw malformed(
        file,
        `tensor "${name}" starts at byte ${offset}, expected ${at} (${offset < at ? 'an overlap' : 'a hole'})`,
      );
    at += byteLength;
  }
  if (at !== fileBytes) throw malformed(file, `its tensors end at byte ${at}, but the file has ${fileBytes}`);
}
