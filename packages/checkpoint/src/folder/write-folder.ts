import { CheckpointError } from '@graft/errors';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFolderAtomically } from '../files/atomic';
import {
  ADAPTER_CONFIG_FILE,
  ADAPTER_FILE,
  ADAPTER_FOLDER,
  CONFIG_FILE,
  ENCODER_TOKENIZER_FOLDER,
  GENERATION_CONFIG_FILE,
  INDEX_FILE,
  isPlainFileName,
  SINGLE_FILE,
  withoutTokenizerFolder,
} from './names';
import { sourceBytes } from '../safetensors/header';
import { configText, jsonText, writeSmallFile } from '../json/json';
import { inOrder, writeSafetensorsInto, type TensorSource } from '../safetensors/writer';

const DEFAULT_SHARD_BYTES = 5e9;

/** An adapter with PEFT's layout: the contents of adapter_config.json, and tensors with PEFT's names. */
export interface AdapterContents {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorSource[];
}

/** What `writeCheckpoint` writes: configs, and tensors whose bytes are requested one after the other. */
export interface CheckpointContents {
  readonly config: Readonly<Record<string, unknown>>;
  readonly generationConfig?: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorSource[];
  /**
   * What training has changed, if that is kept apart: next to the configs if there are no other tensors, otherwise in
   * the folder `adapter`. Default: nothing is.
   */
  readonly adapter?: AdapterContents;
  /**
   * Maximum bytes of a shard; larger models are split into several files and an index. Default 5 GB, as the Hub's tools
   * write.
   */
  readonly maxShardBytes?: number;
  /**
   * Number of tensors that are requested and written at the same time, for sources that stream from a disk. Default 1.
   */
  readonly concurrency?: number;
  /** Files next to the weights, by name: a tokenizer's; those of an encoder's own are `encoder_tokenizer/NAME`. */
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

/** Writes one file of tensors. */
type WriteShard = (file: string, shard: readonly TensorSource[]) => Promise<unknown>;

/** Writes the files of a checkpoint into a folder that exists. */
export async function writeCheckpointInto(
  folder: string,
  contents: CheckpointContents,
  writeShard: WriteShard = (file, shard) => writeSafetensorsInto(file, shard, inOrder(shard, contents.concurrency)),
  writeSmall: (file: string, content: string | Uint8Array) => Promise<void> = writeSmallFile,
): Promise<void> {
  const { tensors, adapter, maxShardBytes = DEFAULT_SHARD_BYTES, extraFiles = {} } = contents;
  checkContents(contents);
  if (adapter) {
    const alone = tensors.length === 0;
    const into = alone ? folder : join(folder, ADAPTER_FOLDER);
    if (!alone) await mkdir(into, { recursive: true });
    await writeShard(join(into, ADAPTER_FILE), adapter.tensors);
    await writeSmall(join(into, ADAPTER_CONFIG_FILE), jsonText(adapter.config));
  }
  const shards = splitIntoShards(tensors, maxShardBytes);
  if (adapter && tensors.length === 0) {
    // The adapter is all there is.
  } else if (shards.length <= 1) {
    await writeShard(join(folder, SINGLE_FILE), tensors);
  } else {
    const weightMap: [string, string][] = [];
    const digits = (value: number): string => String(value).padStart(5, '0');
    for (const [i, shard] of shards.entries()) {
      const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
      await writeShard(join(folder, file), shard);
      for (const { name } of shard) weightMap.push([name, file]);
    }
    const totalSize = tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
    const index = { metadata: { total_size: totalSize }, weight_map: Object.fromEntries(weightMap) };
    await writeSmall(join(folder, INDEX_FILE), jsonText(index));
  }
  await writeSmall(join(folder, CONFIG_FILE), configText(contents.config));
  if (contents.generationConfig)
    await writeSmall(join(folder, GENERATION_CONFIG_FILE), jsonText(contents.generationConfig));
  for (const [name, content] of Object.entries(extraFiles)) {
    const file = join(folder, name);
    if (withoutTokenizerFolder(name) !== name) await mkdir(dirname(file), { recursive: true });
    await writeSmall(file, content);
  }
}

function checkContents({ tensors, maxShardBytes = 1, extraFiles = {} }: CheckpointContents): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    // Each file's writer sees only its own tensors.
    if (names.has(name))
      throw new CheckpointError(`Tensor "${name}" was given twice.`, { code: 'checkpoint.duplicate' });
    names.add(name);
  }
  if (!(maxShardBytes > 0)) {
    throw new CheckpointError(`maxShardBytes is ${maxShardBytes}; expected a number of bytes above 0.`, {
      code: 'checkpoint.shard-size',
      exitCode: 2,
    });
  }
  for (const name of Object.keys(extraFiles)) {
    const taken =
      [CONFIG_FILE, GENERATION_CONFIG_FILE, ADAPTER_CONFIG_FILE, ENCODER_TOKENIZER_FOLDER].includes(name) ||
      /\.safetensors(\.index\.json)?$/.test(name);
    if (taken || !isPlainFileName(withoutTokenizerFolder(name))) {
      throw new CheckpointError(`"${name}" cannot be the name of an extra file in a checkpoint.`, {
        code: 'checkpoint.extra-file',
      });
    }
  }
}

function splitIntoShards(tensors: readonly TensorSource[], maxBytes: number): TensorSource[][] {
  const shards: TensorSource[][] = [];
  let bytesLeft = 0;
  for (const source of tensors) {
    const bytes = sourceBytes(source);
    if (shards.length === 0 || bytes > bytesLeft) {
      shards.push([]);
      bytesLeft = maxBytes;
    }
    shards[shards.length - 1].push(source);
    bytesLeft -= bytes;
  }
  return shards;
}
