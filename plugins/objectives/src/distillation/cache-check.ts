/** Validates a teacher's cache before training uses it: its files are untrusted. */
import {
  CheckpointError,
  storedWidth,
  toFloat32,
  type ByteRange,
  type SafetensorsReader,
  type TensorInfo,
} from '@graft/checkpoint';
import { KEY_BYTES } from '../batch/sequences';
import type { TeacherCacheIndex } from './cache-index';

/**
 * Opening a cache checks this many bytes of token ids, and their log-probabilities, which takes a few seconds.
 * `TeacherCache.read` checks every sequence that it returns.
 */
const CHECKED_BYTES = 2 ** 31;
const CHUNK_NUMBERS = 2 ** 22;

/** Largest valid log-probability: above log 1 = 0 only by rounding, because float16 has about three digits. */
const MOST_LOG_PROBABILITY = 0.01;
/** A position's probabilities and its rest sum to 1; in float16 the error is below 0.01. */
const SUM_TOLERANCE = 0.05;

const HINT = 'Make the cache again, in another folder.';

export interface ShardTensors {
  readonly tokens: TensorInfo;
  readonly logProbabilities: TensorInfo;
  readonly logRest: TensorInfo;
}

/** The tensors of a shard. Throws CheckpointError, before any of them is read, if one differs from the index. */
export function checkShard(
  reader: SafetensorsReader,
  { sequences, positions }: TeacherCacheIndex['shards'][number],
  { topK, dtype }: TeacherCacheIndex,
): ShardTensors {
  const check = (name: string, type: string, shape: readonly number[]): TensorInfo => {
    const info = reader.info(name);
    if (info.dtype === type && info.shape.join() === shape.join()) return info;
    throw contradicts(
      reader.file,
      `"${name}" is ${info.dtype} [${info.shape.join(', ')}], expected ${type} [${shape.join(', ')}]`,
    );
  };
  check('keys', 'U8', [sequences, KEY_BYTES]);
  check('offsets', 'I32', [sequences + 1]);
  return {
    tokens: check('tokens', 'I32', [positions, topK]),
    logProbabilities: check('log_probabilities', dtype, [positions, topK]),
    logRest: check('log_rest', 'F32', [positions]),
  };
}

/**
 * The first position of each sequence of a shard. Throws CheckpointError unless the offsets ascend from 0 to
 * `positions`.
 */
export async function readOffsets(reader: SafetensorsReader, positions: number): Promise<Int32Array> {
  const offsets = await reader.readInt32('offsets');
  let before = 0;
  for (const [i, offset] of offsets.entries()) {
    if (offset < before || (i === 0 && offset !== 0))
      throw contradicts(reader.file, `"offsets" has ${offset} at ${i}, expected ${i === 0 ? 0 : `at least ${before}`}`);
    before = offset;
  }
  if (before === positions) return offsets;
  throw contradicts(reader.file, `"offsets" ends at ${before}, expected ${positions}`);
}

/** Checks the rows of shards while they are opened, up to a limit for all shards together. */
export class RowCheck {
  private left = CHECKED_BYTES;

  constructor(private readonly index: TeacherCacheIndex) {}

  /**
   * Throws CheckpointError, naming file and position, for a token outside the vocabulary or an invalid log-probability.
   */
  async check(reader: SafetensorsReader, { tokens, logProbabilities, logRest }: ShardTensors): Promise<void> {
    const { topK } = this.index;
    const checked = Math.min(tokens.byteLength, this.left) / 4;
    for (const { name, dtype, from, bytes } of [
      ...chunks(tokens, checked),
      ...chunks(logProbabilities, checked),
      ...chunks(logRest, Math.ceil(checked / topK)),
    ]) {
      const stored = await reader.readBytes(name, bytes);
      if (name === tokens.name) checkTokens(reader.file, int32(stored), this.index, from);
      else checkLogarithms(reader.file, toFloat32(stored, dtype), name === logRest.name ? 1 : topK, from);
    }
    this.left -= 4 * checked;
  }
}

/**
 * Ranges of the first `count` numbers of a tensor, in chunks. `from`: index of a chunk's first number in the tensor.
 */
function* chunks({ name, dtype }: TensorInfo, count: number): Generator<Chunk> {
  const width = storedWidth(dtype);
  for (let from = 0; from < count; from += CHUNK_NUMBERS) {
    const to = Math.min(from + CHUNK_NUMBERS, count);
    yield { name, dtype, from, bytes: { start: from * width, end: to * width } };
  }
}

interface Chunk extends Pick<TensorInfo, 'name' | 'dtype'> {
  readonly from: number;
  readonly bytes: ByteRange;
}

const int32 = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);

/** `first`: index of the first number in its tensor. */
function checkTokens(file: string, ids: Int32Array, { vocabulary, topK }: TeacherCacheIndex, first: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id >= 0 && id < vocabulary) continue;
    const where = `at position ${Math.floor((first + i) / topK)}`;
    throw new CheckpointError(`${file} has the token ${id} ${where}, but the vocabulary has ${vocabulary} tokens.`, {
      code: 'distillation.cache-tokens',
      hint: HINT,
    });
  }
}

function checkLogarithms(file: string, values: Float32Array, width: number, first: number): void {
  for (let i = 0; i < values.length; i++) {
    // The comparison is false for NaN too.
    if (values[i] <= MOST_LOG_PROBABILITY) continue;
    throw notProbable(file, Math.floor((first + i) / width), `${values[i]}, expected the logarithm of a probability`);
  }
}

/**
 * Checks rows before they are used; `first` is the position of the first one. Throws CheckpointError for a token
 * outside the vocabulary, for a repeated token, and for probabilities that do not sum to 1.
 */
export function checkRows(
  file: string,
  { tokens, logProbabilities, logRest }: Record<'logProbabilities' | 'logRest', Float32Array> & { tokens: Int32Array },
  index: TeacherCacheIndex,
  first: number,
): void {
  const { topK } = index;
  checkTokens(file, tokens, index, first * topK);
  for (let row = 0; row < logRest.length; row++) {
    const from = row * topK;
    let sum = Math.exp(logRest[row]);
    for (let i = from; i < from + topK; i++) sum += Math.exp(logProbabilities[i]);
    // The comparison is false for NaN too.
    if (!(Math.abs(sum - 1) <= SUM_TOLERANCE))
      throw notProbable(file, first + row, `probabilities that make ${sum}, expected 1`);
    if (new Set(tokens.subarray(from, from + topK)).size === topK) continue;
    throw new CheckpointError(`${file} has a token twice at position ${first + row}.`, {
      code: 'distillation.cache-tokens',
      hint: HINT,
    });
  }
}

function notProbable(file: string, position: number, what: string): CheckpointError {
  return new CheckpointError(`${file} has at position ${position} ${what}.`, {
    code: 'distillation.cache-probabilities',
    hint: HINT,
  });
}

export function contradicts(file: string, problem: string): CheckpointError {
  return new CheckpointError(`${file} is not what the index of its cache says: ${problem}.`, {
    code: 'distillation.cache-shard',
    hint: HINT,
  });
}
