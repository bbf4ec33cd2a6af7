import { AdapterReader, type AdapterConfig, type StoredPair, type TensorInfo } from '@graft/checkpoint';
import { CheckpointError, tf } from '@graft/engine';
import { listedProblems } from '@graft/errors';
import { tensorOfPieces } from '@graft/engine/internal';
import type { Model, ParameterSpec } from '../../interfaces';
import { nearest } from '../../util/suggest';
import { isPacked, narrowed, widened } from '../parameter-storage';
import { factorOf } from '../../config/lora-section';
import { layerOf, mergedMatrix, type LowRankPair } from './pairs';

/** What an adapter needs to know about the model that it belongs to. */
export type AdapterModel = Pick<Model, 'parameters' | 'publishedNames'>;

/** The names of a parameter in adapters, the one to write first. */
export const namesInAdapters = (model: AdapterModel, name: string): readonly string[] => [
  ...new Set([...(model.publishedNames?.(name) ?? []), name]),
];

/**
 * A folder of an adapter in PEFT's layout, whose tensors have been checked against a model. The caller closes it.
 */
export class Adapter {
  private constructor(
    private readonly reader: AdapterReader,
    /** By the names of the matrices in the model. */
    readonly pairs: ReadonlyMap<string, StoredPair>,
    /** Parameters that the adapter contains completely, by name. */
    readonly complete: ReadonlyMap<string, TensorInfo>,
  ) {}

  /** Throws CheckpointError, naming modules and shapes, for a folder that is not an adapter of this model. */
  static async open(folder: string, model: AdapterModel): Promise<Adapter> {
    const reader = await AdapterReader.open(folder);
    try {
      return new Adapter(reader, ...fitted(reader, model));
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /** The folder. */
  get path(): string {
    return this.reader.path;
  }

  /** What its adapter_config.json says. */
  get config(): AdapterConfig {
    return this.reader.config;
  }

  /** What the product of a pair is multiplied by. */
  get factor(): number {
    return factorOf(this.config);
  }

  /** The pair of a matrix, which the caller disposes; undefined if it has none. */
  async pair(weight: string): Promise<LowRankPair | undefined> {
    const stored = this.pairs.get(weight);
    if (!stored) return undefined;
    const a = await this.read(stored.a);
    try {
      return { a, b: await this.read(stored.b) };
    } catch (error) {
      a.dispose();
      throw error;
    }
  }

  /** One tensor, float32, which the caller disposes. */
  read(info: TensorInfo): Promise<tf.Tensor> {
    return tensorOfPieces({ shape: info.shape, dtype: 'float32' }, this.reader.float32Chunks(info));
  }

  /** The values of a matrix's pair: A [rank, in] and B [out, rank]. It must have one. */
  async pairValues(weight: string): Promise<{ readonly a: Float32Array; readonly b: Float32Array }> {
    const { a, b } = this.pairs.get(weight)!;
    return { a: await this.reader.readFloat32(a), b: await this.reader.readFloat32(b) };
  }

  /** The values of one tensor in order, widened to float32. */
  float32Chunks(info: TensorInfo): AsyncGenerator<Float32Array, undefined, undefined> {
    return this.reader.float32Chunks(info);
  }

  /**
   * A parameter of the model with the adapter merged in, float32 or packed like the given one. Takes ownership of it.
   */
  async merged(name: string, value: tf.Tensor): Promise<tf.Tensor> {
    const whole = this.complete.get(name);
    if (!whole && !this.pairs.has(name)) return value;
    try {
      const given = whole ? { whole: await this.read(whole) } : (await this.pair(name))!;
      try {
        return tf.tidy(() => {
          const wide = 'whole' in given ? given.whole : mergedMatrix(widened(value), given, this.factor);
          return isPacked(value) ? narrowed(wide) : wide.clone();
        });
      } finally {
        tf.dispose(Object.values(given));
      }
    } finally {
      value.dispose();
    }
  }

  /** Frees the file. */
  close(): Promise<void> {
    return this.reader.close();
  }
}

/** The tensors of an adapter by the parameters of a model. */
function fitted(
  { path, pairs, complete, config }: AdapterReader,
  model: AdapterModel,
): [Map<string, StoredPair>, Map<string, TensorInfo>] {
  const byName = new Map<string, ParameterSpec>();
  const byModule = new Map<string, ParameterSpec>();
  for (const spec of model.parameters) {
    for (const name of namesInAdapters(model, spec.name)) {
      if (!byName.has(name)) byName.set(name, spec);
      if (!byModule.has(layerOf(name))) byModule.set(layerOf(name), spec);
    }
  }
  const problems: string[] = [];
  const shown = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const foundPairs = new Map<string, StoredPair>();
  for (const [module, pair] of pairs) {
    const spec = byModule.get(module);
    const fits = [pair.b.shape[0], pair.a.shape[1]];
    if (!spec) problems.push(`the model has no module "${module}"${guess(module, byModule)}`);
    else if (!spec.linear) problems.push(`"${module}" is not a linear layer of the model`);
    else if (fits.join() !== spec.shape.join())
      problems.push(`the pair of "${module}" fits a matrix ${shown(fits)}, but the model's is ${shown(spec.shape)}`);
    else foundPairs.set(spec.name, pair);
  }
  const foundComplete = new Map<string, TensorInfo>();
  for (const [name, info] of complete) {
    const spec = byName.get(name);
    if (!spec) problems.push(`the model has no parameter "${name}"${guess(layerOf(name), byModule)}`);
    else if (info.shape.join() !== spec.shape.join())
      problems.push(`"${name}" has shape ${shown(info.shape)}, but the model's is ${shown(spec.shape)}`);
    else foundComplete.set(spec.name, info);
  }
  if (pairs.size + complete.size === 0)
    problems.push(`it contains no tensors (target_modules: ${String(config.targetModules)})`);
  if (problems.length > 0) {
    throw new CheckpointError(`${path} is not an adapter of this model: ${listedProblems(problems)}.`, {
      code: 'adapter.mismatch',
      exitCode: 2,
      hint: `Load it with the model that it was trained on${config.baseModel === undefined ? '' : `, which its config calls "${config.baseModel}"`}.`,
    });
  }
  return [foundPairs, foundComplete];
}

function guess(module: string, known: ReadonlyMap<string, unknown>): string {
  const best = nearest(module, [...known.keys()]);
  return best === undefined ? '' : `; the nearest is "${best}"`;
}

/** Parameters of a model with the adapter in `folder` merged in, one by one. Takes ownership of those that it is given. */
export async function* withAdapter(
  folder: string | undefined,
  model: AdapterModel,
  parameters: AsyncIterable<readonly [string, tf.Tensor]>,
): AsyncGenerator<readonly [string, tf.Tensor]> {
  if (folder === undefined) return yield* parameters;
  const adapter = await Adapter.open(folder, model);
  try {
    for await (const [name, value] of parameters) yield [name, await adapter.merged(name, value)];
  } finally {
    await adapter.close();
  }
}
