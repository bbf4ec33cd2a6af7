import { CheckpointError } from '@graft/engine';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFolderAtomically } from './atomic';
import type { TensorInfo } from './header';
import { SafetensorsReader, unreadable } from './reader';
import { sourceBytes, writeSafetensorsInto, type TensorSource } from './writer';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';
const DEFAULT_SHARD_BYTES = 5e9;

/**
 * The tensors of a checkpoint: a Hugging Face folder with one file or with shards and an index, or a bare safetensors
 * file. Throws CheckpointError naming what is missing or contradicts itself.
 */
export class CheckpointReader {
  private constructor(
    /** The folder, or the bare file. */
    readonly path: string,
    private readonly folder: string | undefined,
    private readonly readers: ReadonlyMap<string, SafetensorsReader>,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  static async open(path: string): Promise<CheckpointReader> {
    const entry = await stat(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (!entry.isDirectory()) return CheckpointReader.fromFiles(path, undefined, [path]);
    if (await exists(join(path, INDEX_FILE))) return CheckpointReader.fromIndex(path);
    if (!(await exists(join(path, SINGLE_FILE)))) {
      throw new CheckpointError(`${path} holds no checkpoint: neither ${SINGLE_FILE} nor ${INDEX_FILE} is there.`, {
        code: 'checkpoint.missing',
      });
    }
    return CheckpointReader.fromFiles(path, path, [join(path, SINGLE_FILE)]);
  }

  private static async fromIndex(folder: string): Promise<CheckpointReader> {
    const indexFile = join(folder, INDEX_FILE);
    const index = await readJsonObject(indexFile);
    const weightMap = index.weight_map;
    if (typeof weightMap !== 'object' || weightMap === null) {
      throw new CheckpointError(`${indexFile} has no "weight_map".`, { code: 'checkpoint.malformed' });
    }
    const places = Object.entries(weightMap as Record<string, string>);
    const shards = [...new Set(places.map(([, shard]) => shard))].sort();
    for (const shard of shards) {
      if (!(await exists(join(folder, shard)))) {
        const count = places.filter(([, file]) => file === shard).length;
        throw new CheckpointError(
          `${folder} lacks the shard ${shard}, in which ${INDEX_FILE} places ${count} tensors.`,
          {
            code: 'checkpoint.missing-shard',
            hint: 'Copy or download the missing file into the folder.',
          },
        );
      }
    }
    const reader = await CheckpointReader.fromFiles(
      folder,
      folder,
      shards.map((shard) => join(folder, shard)),
    );
    try {
      for (const [name, shard] of places) {
        if (reader.tensors.get(name)?.file !== join(folder, shard)) {
          throw new CheckpointError(`${indexFile} places "${name}" in ${shard}, which does not hold it.`, {
            code: 'checkpoint.index',
          });
        }
      }
      const stray = [...reader.tensors.keys()].find((name) => !Object.hasOwn(weightMap, name));
      if (stray !== undefined) {
        throw new CheckpointError(
          `${reader.tensors.get(stray)!.file} holds "${stray}", which ${INDEX_FILE} does not name.`,
          {
            code: 'checkpoint.index',
          },
        );
      }
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  private static async fromFiles(
    path: string,
    folder: string | undefined,
    files: readonly string[],
  ): Promise<CheckpointReader> {
    const readers = new Map<string, SafetensorsReader>();
    const tensors = new Map<string, TensorInfo>();
    try {
      for (const file of files) {
        const reader = await SafetensorsReader.open(file);
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
    return new CheckpointReader(path, folder, readers, tensors);
  }

  /** config.json. Throws CheckpointError when the checkpoint has none. */
  async config(): Promise<Record<string, unknown>> {
    if (this.folder === undefined) {
      throw new CheckpointError(`${this.path} is a bare file; a checkpoint folder with config.json was expected.`, {
        code: 'checkpoint.no-config',
      });
    }
    return readJsonObject(join(this.folder, 'config.json'));
  }

  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const file = this.folder && join(this.folder, 'generation_config.json');
    return file && (await exists(file)) ? readJsonObject(file) : undefined;
  }

  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info)
      throw new CheckpointError(`${this.path} has no tensor "${name}".`, { code: 'checkpoint.missing-tensor' });
    return info;
  }

  readBytes(name: string, range?: { start: number; end: number }): Promise<Uint8Array> {
    return this.reader(name).readBytes(name, range);
  }

  chunks(name: string, chunkBytes?: number): AsyncGenerator<Uint8Array> {
    return this.reader(name).chunks(name, chunkBytes);
  }

  readFloat32(name: string): Promise<Float32Array> {
    return this.reader(name).readFloat32(name);
  }

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

export interface CheckpointContents {
  readonly config: Readonly<Record<string, unknown>>;
  readonly generationConfig?: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorSource[];
  /** Largest shard, bytes; more tensors than that make several files and an index. Default 5 GB, as the hub's tools write. */
  readonly maxShardBytes?: number;
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
}

/** Writes a Hugging Face folder that appears whole or not at all. */
export async function writeCheckpoint(
  folder: string,
  contents: CheckpointContents,
  options: { overwrite?: boolean } = {},
): Promise<void> {
  await writeFolderAtomically(folder, (temporary) => writeCheckpointInto(temporary, contents), options);
}

/** Writes the files of a checkpoint into a folder that exists. */
export async function writeCheckpointInto(folder: string, contents: CheckpointContents): Promise<void> {
  const shards = splitIntoShards(contents.tensors, contents.maxShardBytes ?? DEFAULT_SHARD_BYTES);
  if (shards.length <= 1) {
    await writeSafetensorsInto(join(folder, SINGLE_FILE), contents.tensors);
  } else {
    const weightMap: Record<string, string> = {};
    const digits = (value: number): string => String(value).padStart(5, '0');
    for (const [i, shard] of shards.entries()) {
      const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
      await writeSafetensorsInto(join(folder, file), shard);
      for (const { name } of shard) weightMap[name] = file;
    }
    const totalSize = contents.tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
    await writeJson(join(folder, INDEX_FILE), { metadata: { total_size: totalSize }, weight_map: weightMap });
  }
  await writeJson(join(folder, 'config.json'), contents.config);
  if (contents.generationConfig) await writeJson(join(folder, 'generation_config.json'), contents.generationConfig);
  for (const [name, text] of Object.entries(contents.extraFiles ?? {})) await writeFile(join(folder, name), text);
}

function splitIntoShards(tensors: readonly TensorSource[], maxBytes: number): TensorSource[][] {
  const shards: TensorSource[][] = [];
  let room = 0;
  for (const source of tensors) {
    const bytes = sourceBytes(source);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = maxBytes;
    }
    shards[shards.length - 1].push(source);
    room -= bytes;
  }
  return shards;
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** A JSON file that must hold an object. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, in the same words as a value of another kind.
  }
  throw new CheckpointError(`${file} does not hold a JSON object.`, { code: 'checkpoint.malformed' });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
