/**
 * A teacher's predictions on disk: for each position of each target, k tokens (the most probable ones, or a sample),
 * their log-probabilities at the temperature, and the logarithm of the total probability of all other tokens.
 *
 *     index.json             teacher and settings of the cache, and the list of shards
 *     shard-00000.safetensors
 *       keys                 U8 [sequences, 16]: a hash of source and target
 *       offsets              I32 [sequences + 1]: the first position of each sequence
 *       tokens               I32 [positions, k]
 *       log_probabilities    F16 or F32 [positions, k]
 *       log_rest             F32 [positions]
 */
import {
  CheckpointError,
  CheckpointReader,
  SafetensorsReader,
  storedWidth,
  toFloat32,
  type TensorInfo,
} from '@graft/checkpoint';
import { DataError } from '@graft/core';
import { openRegularFileSync } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkRows, checkShard, contradicts, readOffsets, RowCheck, type ShardTensors } from './cache-check';
import { INDEX_FILE, readCacheIndex, type TeacherCacheIndex } from './cache-index';
import { KEY_BYTES } from '../batch/sequences';

/** Throws DataError if the path of a cache's folder is a file. */
export async function checkCacheFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (!found || found.isDirectory()) return;
  throw new DataError(`${folder} is a file; expected the folder of a teacher's cache, or the name of a new one.`, {
    code: 'distillation.cache-folder',
    exitCode: 2,
    hint: 'Name another folder with --out, or as distillation.cache.',
  });
}

/** Bytes at the start of each tensor that the fingerprint covers: enough to distinguish trained weights. */
const FINGERPRINT_BYTES = 4096;

/** Identifies a checkpoint by the names, shapes, dtypes and first 4 KiB of its tensors, and by its config.json. */
export async function checkpointFingerprint(folder: string): Promise<string> {
  const reader = await CheckpointReader.open(folder);
  try {
    const hash = createHash('sha256').update(JSON.stringify(await reader.config()));
    for (const { name, dtype, shape, byteLength } of [...reader.tensors.values()].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      hash.update(JSON.stringify([name, dtype, shape]));
      hash.update(await reader.readBytes(name, { start: 0, end: Math.min(byteLength, FINGERPRINT_BYTES) }));
    }
    return hash.digest('hex').slice(0, 32);
  } finally {
    await reader.close();
  }
}

/** Identifies a cache by its index, except the teacher's path, and by the first 4 KiB of each tensor. */
export async function cacheFingerprint(folder: string): Promise<string> {
  const { teacher, progress: _, ...index } = (await readCacheIndex(folder))!;
  const hash = createHash('sha256').update(JSON.stringify([teacher.fingerprint, index]));
  for (const { file } of index.shards) {
    const reader = await SafetensorsReader.open(join(folder, file));
    try {
      for (const { name, byteLength } of reader.tensors.values())
        hash.update(await reader.readBytes(name, { start: 0, end: Math.min(byteLength, FINGERPRINT_BYTES) }));
    } finally {
      await reader.close();
    }
  }
  return hash.digest('hex').slice(0, 32);
}

/** The stored predictions for one sequence. */
export interface StoredSequence {
  readonly positions: number;
  /** [positions, k], [positions, k], [positions]. */
  readonly tokens: Int32Array;
  readonly logProbabilities: Float32Array;
  readonly logRest: Float32Array;
}

interface Shard extends ShardTensors {
  readonly file: string;
}

/** Maximum number of open files: a cache may have more files than a process may open. */
const OPEN_FILES = 64;

/** Reads a cache by sequence. Keeps the keys in memory and reads the rest on demand. Owns its open files. */
export class TeacherCache {
  private readonly open = new Map<string, number>();

  private constructor(
    readonly folder: string,
    readonly index: TeacherCacheIndex,
    private readonly shards: readonly Shard[],
    /** Row of each key in the table, which contains its shard, first position and number of positions. */
    private readonly rowOfKey: ReadonlyMap<string, number>,
    private readonly table: Int32Array,
  ) {}

  /**
   * Throws DataError if there is no cache, and CheckpointError if one of its files is damaged, contradicts the index,
   * or contains token ids outside the vocabulary.
   */
  static async open(folder: string): Promise<TeacherCache> {
    const index = await readCacheIndex(folder);
    if (!index) {
      throw new DataError(`${folder} holds no teacher's cache: there is no ${INDEX_FILE}.`, {
        code: 'distillation.no-cache',
        exitCode: 2,
        hint: 'Make it with `graft teacher cache CONFIG --teacher FOLDER`.',
      });
    }
    const table = new Int32Array(3 * index.shards.reduce((sum, { sequences }) => sum + sequences, 0));
    const rowOfKey = new Map<string, number>();
    const shards: Shard[] = [];
    const rows = new RowCheck(index);
    for (const shard of index.shards) {
      const file = join(folder, shard.file);
      const reader = await SafetensorsReader.open(file);
      try {
        // Before any tensor is read: ensures that reads stay within the file.
        const tensors = checkShard(reader, shard, index);
        const offsets = await readOffsets(reader, shard.positions);
        const keys = Buffer.from(await reader.readBytes('keys'));
        for (let i = 0; i < shard.sequences; i++) {
          const row = rowOfKey.size;
          table.set([shards.length, offsets[i], offsets[i + 1] - offsets[i]], 3 * row);
          rowOfKey.set(keys.toString('latin1', i * KEY_BYTES, (i + 1) * KEY_BYTES), row);
          if (rowOfKey.size === row) throw contradicts(file, `its sequence ${i} is in the cache already`);
        }
        await rows.check(reader, tensors);
        shards.push({ file, ...tensors });
      } finally {
        await reader.close();
      }
    }
    return new TeacherCache(folder, index, shards, rowOfKey, table);
  }

  /** Number of sequences in the cache. */
  get size(): number {
    return this.rowOfKey.size;
  }

  /** The keys of all sequences. */
  keys(): IterableIterator<string> {
    return this.rowOfKey.keys();
  }

  /** Whether the cache has a sequence, by its key. */
  has(key: string): boolean {
    return this.rowOfKey.has(key);
  }

  /**
   * The stored predictions for a sequence; undefined if there are none. Blocks while reading, because batches are made
   * synchronously.
   */
  read(key: string): StoredSequence | undefined {
    const row = this.rowOfKey.get(key);
    if (row === undefined) return undefined;
    const [at, first, positions] = this.table.subarray(3 * row, 3 * row + 3);
    const { file, tokens, logProbabilities, logRest } = this.shards[at];
    const rows = (tensor: TensorInfo): Uint8Array => {
      const width = storedWidth(tensor.dtype) * (tensor.shape[1] ?? 1);
      const bytes = new Uint8Array(positions * width);
      this.fill(file, bytes, tensor.offset + first * width);
      return bytes;
    };
    const stored = {
      positions,
      tokens: new Int32Array(rows(tokens).buffer),
      logProbabilities: toFloat32(rows(logProbabilities), logProbabilities.dtype),
      logRest: toFloat32(rows(logRest), logRest.dtype),
    };
    checkRows(file, stored, this.index, first);
    return stored;
  }

  dispose(): void {
    for (const descriptor of this.open.values()) closeSync(descriptor);
    this.open.clear();
  }

  private fill(file: string, bytes: Uint8Array, position: number): void {
    let descriptor = this.open.get(file);
    try {
      descriptor ??= openRegularFileSync(file);
      this.open.delete(file);
      this.open.set(file, descriptor); // As the one used last.
      for (const [oldest, unused] of this.open) {
        if (this.open.size <= OPEN_FILES) break;
        this.open.delete(oldest);
        closeSync(unused);
      }
      let done = 0;
      while (done < bytes.length) {
        const read = readSync(descriptor, bytes, done, bytes.length - done, position + done);
        if (read === 0) throw new Error('it ends too early');
        done += read;
      }
    } catch (cause) {
      throw new CheckpointError(`${file} cannot be read: ${(cause as Error).message}.`, {
        code: 'checkpoint.unreadable',
        cause,
      });
    }
  }
}
