import { GraftError, type Parameters } from '@graft/core';
import { CheckpointReader } from '@graft/checkpoint';
import { tf } from '@graft/engine';
import { parseCheckpointConfig, type GemmaOptions } from './config';
import { GemmaModel } from './model';

/** Tied to the embedding: some writers store it all the same. */
const TIED_OUTPUTS = ['lm_head.out_proj.weight', 'lm_head.weight'];

/** Refuses a checkpoint that lacks a parameter or has another shape; returns the names that the model does not know. */
export function checkTensors(model: GemmaModel, reader: CheckpointReader): string[] {
  const problems: string[] = [];
  for (const { name, shape } of model.parameters) {
    const info = reader.tensors.get(name);
    if (!info) problems.push(`"${name}" is missing`);
    else if (info.shape.join() !== shape.join()) {
      problems.push(`"${name}" has shape [${info.shape.join(', ')}], the config says [${shape.join(', ')}]`);
    }
  }
  if (problems.length > 0) {
    const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
    throw new GraftError(`${reader.path} does not hold the model that its config describes: ${problems.slice(0, 5).join('; ')}${more}.`, {
      code: 'gemma.checkpoint-mismatch',
    });
  }
  const known = new Set([...model.parameters.map(({ name }) => name), ...TIED_OUTPUTS]);
  return [...reader.tensors.keys()].filter((name) => !known.has(name));
}

/** Reads the model's parameters one by one, widened to float32. The consumer owns the tensors. */
export async function* readParameters(model: GemmaModel, reader: CheckpointReader): AsyncGenerator<readonly [string, tf.Tensor]> {
  for (const { name, shape } of model.parameters) yield [name, tf.tensor(await reader.readFloat32(name), [...shape])];
}

export interface LoadedModel {
  readonly model: GemmaModel;
  readonly parameters: Parameters;
  /** Tensors of the checkpoint that the model has no use for. */
  readonly unknownTensors: readonly string[];
  dispose(): void;
}

/** Loads a Gemma 2 or T5Gemma folder whole. */
export async function loadModel(folder: string, options: GemmaOptions = {}): Promise<LoadedModel> {
  const reader = await CheckpointReader.open(folder);
  const parameters: Parameters = {};
  const dispose = (): void => {
    for (const tensor of Object.values(parameters)) tensor.dispose();
  };
  try {
    const config = parseCheckpointConfig(await reader.config(), options, `${folder}/config.json`);
    const model = new GemmaModel(config);
    const unknownTensors = checkTensors(model, reader);
    for await (const [name, value] of readParameters(model, reader)) parameters[name] = value;
    return { model, parameters, unknownTensors, dispose };
  } catch (error) {
    dispose();
    throw error;
  } finally {
    await reader.close();
  }
}
