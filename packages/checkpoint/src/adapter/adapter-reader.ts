/** A folder with PEFT's layout: adapter_config.json and adapter_model.safetensors. */
import { CheckpointError, shortened } from '@graft/errors';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ADAPTER_CONFIG_FILE, ADAPTER_FILE, exists } from '../folder/names';
import { readJsonObject } from '../json/json';
import type { TensorInfo } from '../safetensors/header';
import { unreadable } from '../safetensors/problems';
import { SafetensorsReader } from '../safetensors/reader';
import { Manifest } from '../snapshot/manifest';
import { readAdapterConfig, type AdapterConfig } from './adapter-config';

/** What PEFT puts in front of the path of every module. */
const PREFIX = 'base_model.model.';

/** The two matrices of a pair, by the last part of their names. */
export const PAIR_ENDS = { a: '.lora_A.weight', b: '.lora_B.weight' } as const;

/** The names of a pair's tensors in an adapter's file. `module`: path of the linear layer. */
export const adapterTensors = (module: string): { readonly a: string; readonly b: string } => ({
  a: `${PREFIX}${module}${PAIR_ENDS.a}`,
  b: `${PREFIX}${module}${PAIR_ENDS.b}`,
});

/** The name of a complete parameter in an adapter's file. */
export const adapterParameter = (parameter: string): string => `${PREFIX}${parameter}`;

/** A pair as a file stores it: A [rank, in] and B [out, rank]. */
export interface StoredPair {
  /** Path of the linear layer in the published implementation, such as `model.layers.0.self_attn.q_proj`. */
  readonly module: string;
  readonly a: TensorInfo;
  readonly b: TensorInfo;
}

/** An adapter's config and tensors. */
export class AdapterReader {
  private constructor(
    /** The folder. */
    readonly path: string,
    readonly config: AdapterConfig,
    private readonly reader: SafetensorsReader,
    /** By module. */
    readonly pairs: ReadonlyMap<string, StoredPair>,
    /** Complete parameters by their paths, such as `lm_head.weight`. */
    readonly complete: ReadonlyMap<string, TensorInfo>,
  ) {}

  /**
   * Opens the folder of an adapter. Throws CheckpointError naming what is missing, damaged or not supported. In a run's
   * snapshot every byte is checked against its digests.
   */
  static async open(folder: string): Promise<AdapterReader> {
    const entry = await stat(folder).catch((cause: unknown) => {
      throw unreadable(folder, cause);
    });
    for (const name of [ADAPTER_CONFIG_FILE, ADAPTER_FILE]) {
      if (entry.isDirectory() && (await exists(join(folder, name)))) continue;
      throw new CheckpointError(`${folder} holds no adapter: ${name} is not there.`, {
        code: 'adapter.missing',
        exitCode: 2,
        hint: `Name a folder as PEFT and Graft write it, with ${ADAPTER_CONFIG_FILE} and ${ADAPTER_FILE}.`,
      });
    }
    const file = join(folder, ADAPTER_FILE);
    const found = await Manifest.over(folder);
    const recordOf = async (name: string): Promise<ReturnType<Manifest['files']['get']>> => {
      if (!found?.manifest.hasDigests) return undefined;
      await found.manifest.check(`${found.prefix}${name}`);
      return found.manifest.files.get(`${found.prefix}${name}`);
    };
    await recordOf(ADAPTER_CONFIG_FILE);
    const configFile = join(folder, ADAPTER_CONFIG_FILE);
    const config = readAdapterConfig(await readJsonObject(configFile), configFile);
    const reader = await SafetensorsReader.open(file, await recordOf(ADAPTER_FILE));
    try {
      return new AdapterReader(folder, config, reader, ...sorted(file, reader.tensors, config));
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /** The values of a tensor in order, widened to float32. */
  float32Chunks({ name }: TensorInfo): AsyncGenerator<Float32Array, undefined, undefined> {
    return this.reader.float32Chunks(name);
  }

  /** The same, at once. */
  readFloat32({ name }: TensorInfo): Promise<Float32Array> {
    return this.reader.readFloat32(name);
  }

  close(): Promise<void> {
    return this.reader.close();
  }
}

/** The tensors of a file as pairs and complete parameters. Throws CheckpointError for those that are neither. */
function sorted(
  file: string,
  tensors: ReadonlyMap<string, TensorInfo>,
  { rank }: AdapterConfig,
): [Map<string, StoredPair>, Map<string, TensorInfo>] {
  const malformed = (problem: string, code: 'adapter.malformed' | 'adapter.unsupported'): CheckpointError =>
    new CheckpointError(`${file}: ${problem}.`, { code });
  const halves = new Map<string, { a?: TensorInfo; b?: TensorInfo }>();
  const complete = new Map<string, TensorInfo>();
  for (const [name, info] of tensors) {
    const path = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
    const shown = `"${shortened(name, 160)}"`;
    if (path === undefined) throw malformed(`the tensor ${shown} does not begin with "${PREFIX}"`, 'adapter.malformed');
    const half = (['a', 'b'] as const).find((one) => path.endsWith(PAIR_ENDS[one]));
    if (half !== undefined) {
      const module = path.slice(0, -PAIR_ENDS[half].length);
      halves.set(module, { ...halves.get(module), [half]: info });
    } else if (/\.lora_/.test(path))
      throw malformed(
        `${shown} is neither A nor B of a linear layer, and Graft reads no others`,
        'adapter.unsupported',
      );
    else complete.set(path, info);
  }
  const pairs = Array.from(halves, ([module, { a, b }]): [string, StoredPair] => {
    if (!a || !b)
      throw malformed(`"${module}" has ${a ? 'an A' : 'a B'} without its ${a ? 'B' : 'A'}`, 'adapter.malformed');
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== rank || b.shape[1] !== rank)
      throw malformed(
        `A and B of "${module}" have the shapes [${a.shape.join(', ')}] and [${b.shape.join(', ')}], which are not of the rank ${rank} that ${ADAPTER_CONFIG_FILE} states`,
        'adapter.malformed',
      );
    return [module, { module, a, b }];
  });
  return [new Map(pairs), complete];
}
