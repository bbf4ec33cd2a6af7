import { shortened } from '@graft/errors';
import type { FileHandle } from 'node:fs/promises';
import { MAX_HEADER_BYTES } from '../safetensors/header';
import { readFully } from '../safetensors/positional';
import { blockType, blockTypeName, READ_TYPES, type BlockType } from './block-types';
import { Cursor, MoreNeeded } from './cursor';
import { readKeyCount, readMetadata, type GgufMetadata } from './metadata';
import { malformedGguf, unsupportedGguf } from './problems';

/** One tensor of a GGUF file. */
export interface GgufTensor {
  readonly name: string;
  readonly type: BlockType;
  /** Slowest axis first, as safetensors and PyTorch list it; the file lists the fastest first. */
  readonly shape: readonly number[];
  /** Number of values. */
  readonly values: number;
  /** Position of the first byte in the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** What stands in front of a file's tensors. */
export interface GgufHeader {
  readonly metadata: GgufMetadata;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 'GGUF';
const VERSIONS = [2, 3];
const DEFAULT_ALIGNMENT = 32;
/** Largest alignment that is believed: a page. */
const LARGEST_ALIGNMENT = 1 << 16;
/** ggml's own limits. */
const [MOST_AXES, LONGEST_NAME_BYTES] = [4, 127];
/** Most tensors; a published model of 700 billion parameters has 90,000. */
const MOST_TENSORS = 1 << 19;
const FIRST_READ_BYTES = 1 << 20;

/**
 * Reads and checks the header: every count, length, dimension and position is compared with the file's size before it
 * is used. Throws CheckpointError for another kind of file, and names a type of tensor that Graft does not read.
 */
export async function readHeader(handle: FileHandle, file: string, fileBytes: number): Promise<GgufHeader> {
  for (let size = Math.min(fileBytes, FIRST_READ_BYTES); ;) {
    const bytes = new Uint8Array(size);
    await readFully(handle, file, bytes, 0);
    try {
      return parseHeader(new Cursor(file, bytes, fileBytes, MAX_HEADER_BYTES));
    } catch (error) {
      if (!(error instanceof MoreNeeded)) throw error;
      // The length of a header is not stated: it is read again, twice as long each time.
      size = Math.min(fileBytes, Math.max(2 * size, error.bytes));
    }
  }
}

function parseHeader(cursor: Cursor): GgufHeader {
  const { file } = cursor;
  const magic = Buffer.from(cursor.take(4, 'its beginning')).toString('latin1');
  if (magic !== MAGIC)
    throw malformedGguf(file, `it begins with ${JSON.stringify(magic)}, expected ${JSON.stringify(MAGIC)}`);
  const version = cursor.uint32('its version');
  if (!VERSIONS.includes(version)) {
    const isSwapped = version % 65536 === 0 && version !== 0;
    throw unsupportedGguf(
      file,
      isSwapped
        ? 'its numbers are big-endian'
        : `it has version ${version} of the format; Graft reads ${VERSIONS.join(' and ')}`,
      'Convert the model again with a current llama.cpp, on an ordinary machine.',
    );
  }
  const count = cursor.count('its number of tensors', MOST_TENSORS);
  const metadata = readMetadata(cursor, readKeyCount(cursor));
  const described = Array.from({ length: count }, () => readTensor(cursor));
  return { metadata, tensors: place(cursor, described, alignmentOf(file, metadata)) };
}

function alignmentOf(file: string, metadata: GgufMetadata): number {
  const alignment = metadata.integer('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (alignment >= 1 && alignment <= LARGEST_ALIGNMENT && Number.isInteger(Math.log2(alignment))) return alignment;
  throw malformedGguf(
    file,
    `its key "general.alignment" is ${alignment}, expected a power of two of at most ${LARGEST_ALIGNMENT}`,
  );
}

/** A tensor as the file describes it: its offset is counted from the beginning of the data. */
function readTensor(cursor: Cursor): GgufTensor {
  const { file, fileBytes } = cursor;
  const name = cursor.text("a tensor's name", LONGEST_NAME_BYTES);
  const what = `tensor "${shortened(name, LONGEST_NAME_BYTES)}"`;
  const axes = cursor.uint32(`the number of axes of ${what}`);
  if (axes < 1 || axes > MOST_AXES) throw malformedGguf(file, `${what} has ${axes} axes, expected 1 to ${MOST_AXES}`);
  const shape: number[] = [];
  for (let axis = 0; axis < axes; axis++) shape.unshift(cursor.count(`a dimension of ${what}`));
  const number = cursor.uint32(`the type of ${what}`);
  const offset = cursor.count(`the position of ${what}`);
  const type = blockType(number);
  if (!type)
    throw unsupportedGguf(
      file,
      `${what} has the type ${blockTypeName(number)}; Graft reads ${READ_TYPES.join(', ')}`,
      'Take a file of the same model with another quantization.',
    );
  const row = shape[shape.length - 1];
  if (shape.includes(0)) throw malformedGguf(file, `${what} has the shape [${shape.join(', ')}], expected no 0`);
  if (row % type.values !== 0)
    throw malformedGguf(file, `the rows of ${what} have ${row} values, expected whole blocks of ${type.values}`);
  // Before multiplying: no product of believable dimensions is larger than what the file could contain.
  let bytes = (row / type.values) * type.bytes;
  for (const size of shape.slice(0, -1)) bytes *= size;
  if (!(bytes <= fileBytes))
    throw malformedGguf(file, `${what}, ${type.name} [${shape.join(', ')}], takes more bytes than the file has`);
  const values = (bytes / type.bytes) * type.values;
  return { name, type, shape, values, offset, byteLength: bytes };
}

/** Places the tensors in the file. They follow each other, each from the next aligned position on. */
function place(
  { file, fileBytes, at }: Cursor,
  described: readonly GgufTensor[],
  alignment: number,
): Map<string, GgufTensor> {
  const aligned = (position: number): number => Math.ceil(position / alignment) * alignment;
  const start = aligned(at);
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of described) {
    if (tensors.has(tensor.name)) throw malformedGguf(file, `tensor "${tensor.name}" is there twice`);
    tensors.set(tensor.name, { ...tensor, offset: start + tensor.offset });
  }
  let end = start;
  for (const { name, offset, byteLength } of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    if (offset !== aligned(end)) {
      const kind = offset < end ? 'overlaps another' : 'does not follow the one before it';
      throw malformedGguf(file, `tensor "${name}" ${kind}: expected to start at byte ${aligned(end)}, got ${offset}`);
    }
    end = offset + byteLength;
    if (end > fileBytes)
      throw malformedGguf(file, `tensor "${name}" would end at byte ${end}, but the file has ${fileBytes}`);
  }
  // What follows is padding.
  if (fileBytes > Math.max(aligned(end), end) && tensors.size > 0)
    throw malformedGguf(file, `expected ${aligned(end)} bytes, as its header says, got ${fileBytes}`);
  return tensors;
}
