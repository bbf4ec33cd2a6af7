import { CheckpointReader } from '@graft/checkpoint';
import { CheckpointError, type Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { checkSharedTable } from './adapt-plan';
import { parseCheckpointConfig, type GemmaOptions } from './config';
import { GemmaModel } from './model';
import { DECODER_EMBEDDING, ENCODER_EMBEDDING, TIED_OUTPUT_NAMES } from './parameters';

/**
 * Which stored tensor fills a parameter: its namesake, but the decoder's table serves an encoder whose checkpoint was
 * saved with one table for both.
 */
function storedName(name: string, reader: CheckpointReader): string {
  return name === ENCODER_EMBEDDING && !reader.tensors.has(name) ? DECODER_EMBEDDING : name;
}

/**
 * Refuses a checkpoint that lacks a parameter, has one of another shape, or has two different embedding tables where
 * the model has one. Returns the names of stored tensors that the model has no use for.
 */
export async function checkTensors(model: GemmaModel, reader: CheckpointReader): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, shape } of model.parameters) {
    const info = reader.tensors.get(storedName(name, reader));
    if (!info) problems.push(`"${name}" is missing`);
    else if (info.shape.join() !== shape.join()) {
      problems.push(`"${name}" has shape [${info.shape.join(', ')}], but the model's is [${shape.join(', ')}]`);
    }
  }
  if (problems.length > 0) {
    const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
    throw new CheckpointError(`${reader.path} does not hold this model: ${problems.slice(0, 5).join('; ')}${more}.`, {
      code: 'gemma.checkpoint-mismatch',
    });
  }
  const known = new Set<string>([...model.parameters.map(({ name }) => name), ...TIED_OUTPUT_NAMES]);
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

/** Reads the model's parameters one by one, widened to float32. The consumer owns the tensors. */
export async function* readParameters(
  model: GemmaModel,
  reader: CheckpointReader,
): AsyncGenerator<readonly [string, tf.Tensor]> {
  for (const { name, shape } of model.parameters) {
    yield [name, tf.tensor(await reader.readFloat32(storedName(name, reader)), [...shape], 'float32')];
  }
}

export interface LoadedModel {
  readonly model: GemmaModel;
  readonly parameters: Parameters;
  /** Tensors of the checkpoint that the model has no use for. */
  readonly unknownTensors: readonly string[];
  /** Frees the parameters. */
  dispose(): void;
}

/** Loads a Gemma 2 or T5Gemma folder whole, widened to float32. Throws CheckpointError naming what does not fit. */
export async function loadModel(folder: string, options: GemmaOptions = {}): Promise<LoadedModel> {
  const reader = await CheckpointReader.open(folder);
  const parameters: Parameters = {};
  const dispose = (): void => {
    for (const tensor of Object.values(parameters)) tensor.dispose();
  };
  try {
    const model = new GemmaModel(parseCheckpointConfig(await reader.config(), options, `${folder}/config.json`));
    const unknownTensors = await checkTensors(model, reader);
    for await (const [name, value] of readParameters(model, reader)) parameters[name] = value;
    return { model, parameters, unknownTensors, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    await reader.close();
  }
}
