import { fromFloat32, storedWidth, writeSafetensors } from '@graft/checkpoint';
import { FolderLock, isPassing } from '@graft/checkpoint/internal';
import { DataError, type JsonValue } from '@graft/core';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mismatch, otherBos } from './cached-teacher';
import { KEY_BYTES } from '../batch/sequences';
import { TeacherCache, type StoredSequence } from './cache-format';
import { readCacheIndex, writeCacheIndex, type TeacherCacheIndex } from './cache-index';

/** The teacher and the settings of a cache: only predictions with the same ones may be added. */
export type CacheIdentity = Pick<
  TeacherCacheIndex,
  'teacher' | 'vocabulary' | 'topK' | 'selection' | 'temperature' | 'dtype'
> & {
  readonly bos: boolean;
};

/** Fills a cache shard by shard. A written shard survives whatever ends the process. */
export class TeacherCacheWriter {
  private readonly waiting: { readonly key: string; readonly stored: StoredSequence }[] = [];
  private waitingPositions = 0;

  private constructor(
    private readonly folder: string,
    private index: TeacherCacheIndex,
    private readonly known: Set<string>,
    private readonly shardBytes: number,
    private readonly lock: FolderLock,
  ) {}

  /**
   * Creates a cache, or continues an existing one; the caller must close it. Throws DataError if the existing cache has
   * another identity or the folder contains something else, and UsageError if another process is filling it.
   */
  static async open(
    folder: string,
    identity: CacheIdentity,
    shardBytes: number,
    onWatch?: (sentence: string) => void,
  ): Promise<TeacherCacheWriter> {
    await mkdir(folder, { recursive: true });
    await refuseOthers(folder);
    const lock = await FolderLock.acquire(folder, {
      what: `The filling of the teacher's cache ${folder}`,
      code: 'distillation.cache-shared',
      hint: 'Let one process at a time fill a cache, or give each a folder of its own.',
      onWatch,
    });
    try {
      return await TeacherCacheWriter.claimed(folder, identity, shardBytes, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  private static async claimed(
    folder: string,
    identity: CacheIdentity,
    shardBytes: number,
    lock: FolderLock,
  ): Promise<TeacherCacheWriter> {
    const found = await readCacheIndex(folder);
    if (!found) {
      const index = { format: 'graft-teacher-cache', version: 1, ...identity, shards: [], progress: {} } as const;
      const fresh: TeacherCacheIndex = { ...index, shards: [] };
      await writeCacheIndex(folder, fresh);
      return new TeacherCacheWriter(folder, fresh, new Set(), shardBytes, lock);
    }
    const { teacher, bos, ...numbers } = identity;
    if (found.teacher.fingerprint !== teacher.fingerprint)
      throw mismatch(folder, `the teacher that lay in ${found.teacher.path}, which ${teacher.path} is not`);
    if ((found.bos ?? false) !== bos) throw otherBos(folder, bos);
    for (const [name, value] of Object.entries(numbers) as [keyof typeof numbers, string | number][])
      if (found[name] !== value) throw mismatch(folder, `${name} ${found[name]}, not ${value}`);
    const cache = await TeacherCache.open(folder);
    const known = new Set(cache.keys());
    cache.dispose();
    return new TeacherCacheWriter(folder, found, known, shardBytes, lock);
  }

  /** Releases the folder's lock. Discards what has not been flushed. */
  close(): Promise<void> {
    return this.lock.release();
  }

  /** Sequences in the cache, including those not written yet. */
  get sequences(): number {
    return this.known.size;
  }

  get positions(): number {
    return this.index.shards.reduce((sum, { positions }) => sum + positions, this.waitingPositions);
  }

  has(key: string): boolean {
    return this.known.has(key);
  }

  progressOf(config: string): { readonly step: number; readonly data: JsonValue } | undefined {
    return this.index.progress[config];
  }

  add(key: string, stored: StoredSequence): void {
    this.known.add(key);
    this.waiting.push({ key, stored });
    this.waitingPositions += stored.positions;
  }

  /** Call it between two steps: writes a shard if enough is waiting. */
  async stepDone(config: string, step: number, data: JsonValue): Promise<void> {
    if (this.waitingPositions * bytesPerPosition(this.index) >= this.shardBytes) await this.flush(config, step, data);
  }

  /** Writes everything that is waiting, and the progress of this config. */
  async flush(config: string, step: number, data: JsonValue): Promise<void> {
    await this.lock.check();
    const shards = [...this.index.shards];
    if (this.waiting.length > 0) {
      const file = `shard-${String(shards.length).padStart(5, '0')}.safetensors`;
      await this.writeShard(file);
      shards.push({ file, sequences: this.waiting.length, positions: this.waitingPositions });
    }
    const progress = { ...this.index.progress, [config]: { step, data: structuredClone(data) as never } };
    this.index = { ...this.index, shards, progress };
    await writeCacheIndex(this.folder, this.index);
    this.waiting.length = 0;
    this.waitingPositions = 0;
  }

  private async writeShard(file: string): Promise<void> {
    const { waiting, waitingPositions: positions } = this;
    const { topK, dtype } = this.index;
    const offsets = new Int32Array(waiting.length + 1);
    waiting.forEach(({ stored }, i) => (offsets[i + 1] = offsets[i] + stored.positions));
    const join_ = <T extends Int32Array | Float32Array>(
      target: T,
      width: number,
      part: (one: StoredSequence) => T,
    ): T => {
      waiting.forEach(({ stored }, i) => target.set(part(stored), offsets[i] * width));
      return target;
    };
    await writeSafetensors(join(this.folder, file), [
      {
        name: 'keys',
        dtype: 'U8',
        shape: [waiting.length, KEY_BYTES],
        data: () => Uint8Array.from(Buffer.from(waiting.map(({ key }) => key).join(''), 'latin1')),
      },
      { name: 'offsets', dtype: 'I32', shape: [waiting.length + 1], data: () => offsets },
      {
        name: 'tokens',
        dtype: 'I32',
        shape: [positions, topK],
        data: () => join_(new Int32Array(positions * topK), topK, ({ tokens }) => tokens),
      },
      {
        name: 'log_probabilities',
        dtype,
        shape: [positions, topK],
        data: () =>
          fromFloat32(
            join_(new Float32Array(positions * topK), topK, ({ logProbabilities }) => logProbabilities),
            dtype,
          ),
      },
      {
        name: 'log_rest',
        dtype: 'F32',
        shape: [positions],
        data: () => join_(new Float32Array(positions), 1, ({ logRest }) => logRest),
      },
    ]);
  }
}

/** Rejects a folder that contains other files but not a cache: they may belong to someone. */
async function refuseOthers(folder: string): Promise<void> {
  if ((await readCacheIndex(folder)) !== undefined) return;
  const names = await readdir(folder);
  const other = names.find((name) => !isPassing(name));
  if (other === undefined) return;
  throw new DataError(`${folder} is not a teacher's cache: it holds ${other}, but no index.json.`, {
    code: 'distillation.cache-folder',
    exitCode: 2,
    hint: 'Name a new folder, or an empty one.',
  });
}

/** Bytes on disk per position of a target. */
export function bytesPerPosition({ topK, dtype }: Pick<TeacherCacheIndex, 'topK' | 'dtype'>): number {
  return topK * (4 + storedWidth(dtype)) + 4;
}
