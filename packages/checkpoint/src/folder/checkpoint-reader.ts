import { CheckpointError, shortened } from '@graft/errors';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileRange } from '../safetensors/direct';
import { MAX_HEADER_BYTES, type TensorInfo } from '../safetensors/header';
import { readJsonObject } from '../json/json';
import { listSnapshots } from '../snapshot/list-snapshots';
import { Manifest, STATE_FILE, type FileRecord } from '../snapshot/manifest';
import {
  CONFIG_FILE,
  exists,
  GENERATION_CONFIG_FILE,
  INDEX_FILE,
  isAdapter,
  isPlainFileName,
  RECORD_FILE,
  SINGLE_FILE,
  TOKENIZER_FILES,
} from './names';
import { unreadable } from '../safetensors/problems';
import { SafetensorsReader, type ByteRange } from '../safetensors/reader';
import { checkpointPath } from '../source/checkpoint-path';
import type { TensorSource } from '../safetensors/writer';

export { CONFIG_FILE, exists, GENERATION_CONFIG_FILE, INDEX_FILE, isPlainFileName, SINGLE_FILE };

/**
 * The tensors of a checkpoint: a Hugging Face folder with one file or with shards and an index, or a bare safetensors
 * file. Throws CheckpointError that names what is missing or inconsistent.
 */
export class CheckpointReader {
  private constructor(
    /** The folder, or the bare file. */
    readonly path: string,
    /** undefined for a bare file. */
    readonly folder: string | undefined,
    private readonly readers: ReadonlyMap<string, SafetensorsReader>,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    /**
     * For a run's snapshots: whether every byte is checked against digests when it is read. Undefined for other
     * checkpoints.
     */
    readonly hasDigests?: boolean,
    /** Harmless errors in what the checkpoint states about itself: sentences without a full stop. */
    readonly notes: readonly string[] = [],
  ) {}

  /**
   * Opens a folder, a model by name, a GGUF file or one safetensors file (see `checkpointPath`), and reads all headers. Throws CheckpointError naming what is missing or
   * damaged.
   */
  static async open(given: string): Promise<CheckpointReader> {
    const path = await checkpointPath(given);
    const entry = await stat(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (!entry.isDirectory())
      return CheckpointReader.fromFiles(path, undefined, [path], await digestsOver(dirname(path)));
    const digests = await digestsOver(path);
    // If both exist, other tools read the single file: the shards may be older.
    if (await exists(join(path, SINGLE_FILE)))
      return CheckpointReader.fromFiles(path, path, [join(path, SINGLE_FILE)], digests);
    if (await exists(join(path, INDEX_FILE))) return CheckpointReader.fromIndex(path, digests);
    if (await isAdapter(path)) {
      throw new CheckpointError(`${path} holds an adapter, and not a whole model.`, {
        code: 'adapter.alone',
        exitCode: 2,
        hint: 'Name the model that it was trained on, and this folder as its adapter (--adapter); `graft merge` writes both as one model.',
      });
    }
    throw new CheckpointError(`${path} holds no checkpoint: neither ${SINGLE_FILE} nor ${INDEX_FILE} is there.`, {
      code: 'checkpoint.missing',
      exitCode: 2,
      hint: await snapshotInside(path),
    });
  }

  private static async fromIndex(folder: string, digests?: Digests): Promise<CheckpointReader> {
    const indexFile = join(folder, INDEX_FILE);
    const { shardOf, totalBytes } = await readIndex(indexFile);
    const shards = [...new Set(shardOf.values())].sort();
    for (const shard of shards) {
      if (!(await exists(join(folder, shard)))) {
        const count = [...shardOf.values()].filter((file) => file === shard).length;
        throw new CheckpointError(
          `${folder} lacks the shard ${shortened(shard, 120)}, in which ${INDEX_FILE} places ${count} tensors.`,
          {
            code: 'checkpoint.missing-shard',
            hint: 'Copy or download the missing file into the folder.',
          },
        );
      }
    }
    const files = shards.map((shard) => join(folder, shard));
    const reader = await CheckpointReader.fromFiles(folder, folder, files, digests);
    try {
      for (const [name, shard] of shardOf) {
        const found = reader.tensors.get(name)?.file;
        if (found === join(folder, shard)) continue;
        const where = found === undefined ? 'no shard does' : `${basename(found)} does`;
        throw new CheckpointError(`${indexFile} places ${named(name)} in ${shard}, which does not hold it; ${where}.`, {
          code: 'checkpoint.index',
        });
      }
      for (const { name, file } of reader.tensors.values()) {
        if (!shardOf.has(name))
          throw new CheckpointError(`${file} holds "${name}", which ${INDEX_FILE} does not name.`, {
            code: 'checkpoint.index',
          });
      }
      const notes = totalNotes(totalBytes, reader.tensors);
      return new CheckpointReader(folder, folder, reader.readers, reader.tensors, reader.hasDigests, notes);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  private static async fromFiles(
    path: string,
    folder: string | undefined,
    files: readonly string[],
    digests?: Digests,
  ): Promise<CheckpointReader> {
    const readers = new Map<string, SafetensorsReader>();
    const tensors = new Map<string, TensorInfo>();
    try {
      for (const file of files) {
        const reader = await SafetensorsReader.open(file, await digests?.of(basename(file)));
        readers.set(file, reader);
        for (const [name, info] of reader.tensors) {
          const twin = tensors.get(name);
          if (twin)
            throw new CheckpointError(`"${name}" is in ${twin.file} and in ${file}.`, { code: 'checkpoint.duplicate' });
          tensors.set(name, info);
        }
      }
    } catch (error) {
      for (const reader of readers.values()) await reader.close();
      throw error;
    }
    return new CheckpointReader(path, folder, readers, tensors, digests?.hasDigests);
  }

  /** config.json. Throws CheckpointError if the checkpoint has none. */
  async config(): Promise<Record<string, unknown>> {
    if (this.folder === undefined) {
      throw new CheckpointError(`${this.path} is a bare file; a checkpoint folder with ${CONFIG_FILE} was expected.`, {
        code: 'checkpoint.no-config',
        exitCode: 2,
      });
    }
    const file = join(this.folder, CONFIG_FILE);
    if (await exists(file)) return readJsonObject(file);
    throw new CheckpointError(`${file} cannot be read: there is no such file.`, {
      code: 'checkpoint.no-config',
      exitCode: 2,
    });
  }

  /** The contents of generation_config.json; undefined if the checkpoint has none. */
  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const file = this.folder && join(this.folder, GENERATION_CONFIG_FILE);
    return file && (await exists(file)) ? readJsonObject(file) : undefined;
  }

  /** Dtype, shape and place of a tensor. Throws CheckpointError if the checkpoint has no tensor of that name. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info)
      throw new CheckpointError(`${this.path} has no tensor "${name}".`, { code: 'checkpoint.missing-tensor' });
    return info;
  }

  /** See `SafetensorsReader`, here and below. */
  readBytes(name: string, range?: ByteRange): Promise<Uint8Array> {
    return this.reader(name).readBytes(name, range);
  }

  /** Fills `target` with the bytes of a tensor, from byte `start` on (default 0). */
  readInto(name: string, target: Uint8Array, start?: number): Promise<void> {
    return this.reader(name).readInto(name, target, start);
  }

  /** The bytes of a tensor in order, in pieces of whole elements. A piece is valid until the next one is requested. */
  chunks(name: string, chunkBytes?: number): AsyncGenerator<Uint8Array, undefined, undefined> {
    return this.reader(name).chunks(name, chunkBytes);
  }

  /** The bytes of a tensor in order, as ranges that a writer copies without loading them here. */
  ranges(name: string, pieceBytes?: number): AsyncGenerator<FileRange, undefined, undefined> {
    return this.reader(name).ranges(name, pieceBytes);
  }

  /** The tensor as `writeCheckpoint` takes it: its bytes are read when they are written. */
  source(name: string): TensorSource {
    return this.reader(name).source(name);
  }

  /** The values of a floating-point tensor in order, widened to float32. */
  readFloat32(name: string): Promise<Float32Array> {
    return this.reader(name).readFloat32(name);
  }

  /** As `SafetensorsReader.float32Chunks`. */
  float32Chunks(name: string): AsyncGenerator<Float32Array, undefined, undefined> {
    return this.reader(name).float32Chunks(name);
  }

  /** The values of an integer tensor in order, as int32. */
  readInt32(name: string): Promise<Int32Array> {
    return this.reader(name).readInt32(name);
  }

  async close(): Promise<void> {
    for (const reader of this.readers.values()) await reader.close();
  }

  private reader(name: string): SafetensorsReader {
    return this.readers.get(this.info(name).file)!;
  }
}

/** The entries of a snapshot's manifest for the files in one of its folders. */
interface Digests {
  readonly hasDigests: boolean;
  /** Throws CheckpointError if the file has another size than when it was written, or is not listed. */
  of(file: string): Promise<FileRecord | undefined>;
}

/** Optional files that are read in addition to the tensors. */
const READ_FILES = [CONFIG_FILE, GENERATION_CONFIG_FILE, INDEX_FILE, RECORD_FILE, ...TOKENIZER_FILES];

/** The digests of a snapshot's folder, whose small files are checked at once; undefined for other checkpoints. */
async function digestsOver(folder: string): Promise<Digests | undefined> {
  const found = await Manifest.over(folder);
  if (!found) return undefined;
  const { manifest, prefix } = found;
  const { hasDigests, files } = manifest;
  if (!hasDigests) return { hasDigests, of: () => Promise.resolve(undefined) };
  const small = [...files].filter(
    ([name, { digest }]) => digest !== undefined && dirname(`./${name}`) === dirname(`./${prefix}x`),
  );
  const names = new Set([...small.map(([name]) => name), ...READ_FILES.map((name) => `${prefix}${name}`)]);
  // Files that only the trainer reads may be missing from a copied checkpoint.
  names.delete(STATE_FILE);
  for (const name of names) await manifest.check(name);
  return {
    hasDigests,
    of: async (file) => {
      await manifest.check(`${prefix}${file}`);
      return files.get(`${prefix}${file}`);
    },
  };
}

/**
 * The checkpoint that was probably meant by a run's folder, by the folder of all its runs, or by that of its
 * checkpoints.
 */
async function snapshotInside(folder: string): Promise<string | undefined> {
  for (const place of [join(folder, 'checkpoints'), join(folder, 'latest', 'checkpoints'), folder]) {
    const newest = (await listSnapshots(place).catch(() => [])).at(-1);
    if (newest) return `The newest checkpoint in it is ${newest.folder}.`;
  }
  return undefined;
}

/**
 * Maximum number of shards of a checkpoint, which are all open at the same time; published models of 700 billion
 * parameters have about a hundred.
 */
const MOST_SHARDS = 4096;

/** Maximum number of names in an index; a published model of 700 billion parameters has 90,000. */
const MOST_TENSORS = 2 ** 19;

/** A file name in an error message. */
const named = (value: unknown): string => shortened(JSON.stringify(value) ?? 'nothing', 120);

/**
 * Tensor name → shard, and the total size of all tensors if the file states it, from an index with untrusted contents.
 */
async function readIndex(file: string): Promise<{ shardOf: Map<string, string>; totalBytes: unknown }> {
  const wrong = (problem: string): CheckpointError =>
    new CheckpointError(`${file} is not an index of shards: ${problem}.`, { code: 'checkpoint.malformed' });
  const { weight_map: weightMap, metadata } = await readJsonObject(file, {
    maxBytes: MAX_HEADER_BYTES,
    maxParts: MOST_TENSORS,
  });
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap))
    throw wrong('expected an object "weight_map"');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (!isPlainFileName(shard))
      throw wrong(`it places ${named(name)} in ${named(shard)}, expected the name of a file beside it`);
    shardOf.set(name, shard);
  }
  if (shardOf.size === 0) throw wrong('its "weight_map" is empty');
  const shards = new Set(shardOf.values()).size;
  if (shards > MOST_SHARDS) throw wrong(`it names ${shards} shards; Graft takes at most ${MOST_SHARDS}`);
  return { shardOf, totalBytes: (metadata as { total_size?: unknown } | null | undefined)?.total_size };
}

/**
 * Notes on the total size in an index. Published folders are sometimes wrong about it, so it is not an error: tensors
 * that are missing from a shard are detected there.
 */
function totalNotes(declaredBytes: unknown, tensors: ReadonlyMap<string, TensorInfo>): string[] {
  if (declaredBytes === undefined || declaredBytes === null) return [];
  const bytes = [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (declaredBytes === bytes) return [];
  return [`${INDEX_FILE} says that the tensors take ${named(declaredBytes)} bytes ("total_size"); they take ${bytes}`];
}
