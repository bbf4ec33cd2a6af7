import { CheckpointReader } from '@graft/checkpoint';
import { CheckpointError, type Parameters } from '@graft/core';
import { listedProblems } from '@graft/core/internal';
import { packBfloat16, tf } from '@graft/engine';
import { tensorOfPieces } from '@graft/engine/internal';
import { checkSharedTable } from '../adapt/plan';
import { parseCheckpointConfig, readModelConfig } from '../model/config';
import type { GemmaConfig, GemmaOptions } from '../model/config-types';
import { storedName } from './declared-tensors';
import { GemmaEncoder, type AnyGemma } from '../model/encoder-model';
import { readGenerationConfig } from '../generate/generation-defaults';
import { GemmaModel } from '../model/model';
import { DECODER_EMBEDDING, ENCODER_EMBEDDING, TIED_OUTPUT_NAMES } from '../model/parameters';

/**
 * Refuses a checkpoint that lacks a parameter, has one of another shape, or has two different embedding tables where
 * the model has one. Returns the names of stored tensors that the model does not use.
 */
export async function checkTensors(model: AnyGemma, reader: CheckpointReader): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, shape } of model.parameters) {
    const info = reader.tensors.get(storedName(name, reader, model));
    if (!info) problems.push(`"${name}" is missing`);
    else if (info.shape.join() !== shape.join()) {
      problems.push(`"${name}" has shape [${info.shape.join(', ')}], but the model's is [${shape.join(', ')}]`);
    }
  }
  if (problems.length > 0) {
    throw new CheckpointError(`${reader.path} does not hold this model: ${listedProblems(problems)}.`, {
      code: 'gemma.checkpoint-mismatch',
    });
  }
  const known = new Set<string>([
    ...model.parameters.map(({ name }) => storedName(name, reader, model)),
    ...TIED_OUTPUT_NAMES,
  ]);
  if (
    model.config.kind === 'encoder-decoder' &&
    model.config.tieEncoderEmbedding &&
    reader.tensors.has(ENCODER_EMBEDDING)
  ) {
    await checkSharedTable({ reader, name: ENCODER_EMBEDDING }, { reader, name: DECODER_EMBEDDING });
    known.add(ENCODER_EMBEDDING);
  }
  return [...reader.tensors.keys()].filter((name) => !known.has(name));
}

/** Precision of the weights in memory. bfloat16: matrices take half the bytes; for inference on the native engine. */
export type WeightPrecision = 'float32' | 'bfloat16';

/**
 * Reads the model's parameters one by one, widened to float32, or with their matrices in bfloat16. The consumer owns
 * the tensors.
 */
export async function* readParameters(
  model: AnyGemma,
  reader: CheckpointReader,
  weights: WeightPrecision = 'float32',
): AsyncGenerator<readonly [string, tf.Tensor]> {
  for (const { name, shape } of model.parameters) {
    const stored = storedName(name, reader, model);
    const packs = weights === 'bfloat16' && shape.length === 2 && shape[1] % 2 === 0;
    yield [name, packs ? await readPacked(reader, stored, shape) : await readWide(reader, stored, shape)];
  }
}

const readWide = (reader: CheckpointReader, name: string, shape: readonly number[]): Promise<tf.Tensor> =>
  tensorOfPieces({ shape, dtype: 'float32' }, reader.float32Chunks(name));

/** int32 [rows, width / 2]: the stored bytes if they are already bfloat16. */
async function readPacked(
  reader: CheckpointReader,
  name: string,
  [rows, width]: readonly number[],
): Promise<tf.Tensor> {
  if (reader.info(name).dtype === 'BF16') {
    const bytes = await reader.readBytes(name);
    return tf.tensor(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), [rows, width / 2], 'int32');
  }
  const wide = await readWide(reader, name, [rows, width]);
  try {
    return packBfloat16(wide);
  } finally {
    wide.dispose();
  }
}

export interface LoadedModel<M extends AnyGemma = GemmaModel> {
  readonly model: M;
  readonly parameters: Parameters;
  /** Tensors of the checkpoint that the model does not use. */
  readonly unknownTensors: readonly string[];
  /** Frees the parameters. */
  dispose(): void;
}

type LoadOptions = GemmaOptions & { readonly weights?: WeightPrecision };

/**
 * Loads a complete Gemma 2 or T5Gemma folder, widened to float32 or with matrices in bfloat16 (for an engine whose
 * precision is bfloat16; otherwise they are widened at each use). Throws CheckpointError naming what does not fit, and
 * for an encoder alone, which generates no text: see `loadAnyModel`.
 */
export async function loadModel(folder: string, options: LoadOptions = {}): Promise<LoadedModel> {
  return load(folder, options, (reader, config, rest, where) =>
    wordMaker(reader, parseCheckpointConfig(config, rest, where)),
  );
}

/** Like `loadModel`, for a model of any kind: an encoder alone has states, and no logits. */
export async function loadAnyModel(folder: string, options: LoadOptions = {}): Promise<LoadedModel<AnyGemma>> {
  return load(folder, options, async (reader, json, rest, where) => {
    const config = readModelConfig(json, rest, where);
    return config.kind === 'encoder-only' ? new GemmaEncoder(config) : wordMaker(reader, config);
  });
}

async function wordMaker(reader: CheckpointReader, config: GemmaConfig): Promise<GemmaModel> {
  const generation = await readGenerationConfig(reader, config);
  return new GemmaModel(config, generation?.json, generation?.where);
}

async function load<M extends AnyGemma>(
  folder: string,
  { weights, ...options }: LoadOptions,
  build: (
    reader: CheckpointReader,
    config: Record<string, unknown>,
    options: GemmaOptions,
    where: string,
  ) => Promise<M>,
): Promise<LoadedModel<M>> {
  const reader = await CheckpointReader.open(folder);
  const parameters: Parameters = {};
  const dispose = (): void => {
    for (const tensor of Object.values(parameters)) tensor.dispose();
  };
  try {
    const model = await build(reader, await reader.config(), options, `${folder}/config.json`);
    const unknownTensors = await checkTensors(model, reader);
    for await (const [name, value] of readParameters(model, reader, weights)) parameters[name] = value;
    return { model, parameters, unknownTensors, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    await reader.close();
  }
}
