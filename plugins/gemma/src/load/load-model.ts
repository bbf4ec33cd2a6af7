import { CheckpointReader } from '@graft/checkpoint';
import { checkTensors, streamParameters, type LoadedModel as LoadedAny, type WeightPrecision } from '@graft/core';
import type { tf } from '@graft/engine';
import { readGenerationConfig } from '../generate/generation-defaults';
import { parseCheckpointConfig, readModelConfig } from '../model/config';
import type { GemmaConfig, GemmaOptions } from '../model/config-types';
import { GemmaEncoder, type AnyGemma } from '../model/encoder-model';
import { GemmaModel } from '../model/model';

/** A Gemma with its parameters, which the caller frees with `dispose`. */
export type LoadedModel<M extends AnyGemma = GemmaModel> = LoadedAny<M>;

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
  const parameters: Record<string, tf.Tensor> = {};
  const dispose = (): void => {
    for (const tensor of Object.values(parameters)) tensor.dispose();
  };
  try {
    const model = await build(reader, await reader.config(), options, `${folder}/config.json`);
    const unknownTensors = await checkTensors(model, reader);
    for await (const [name, value] of streamParameters(model, reader, weights)) parameters[name] = value;
    return { model, parameters, unknownTensors, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    await reader.close();
  }
}
