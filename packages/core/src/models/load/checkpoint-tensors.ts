import type { CheckpointReader } from '@graft/checkpoint';
import { CheckpointError, packBfloat16, tf } from '@graft/engine';
import { listedProblems } from '@graft/errors';
import { tensorOfPieces } from '@graft/engine/internal';
import type { Model } from '../../interfaces';

/** The parts of a model or a classifier that loading its checkpoint needs. */
export type Stored = Pick<Model, 'parameters' | 'storage'>;

/** Precision of the weights in memory. bfloat16: matrices need half the bytes; for inference on the native engine. */
export type WeightPrecision = 'float32' | 'bfloat16';

/**
 * Rejects a checkpoint that lacks a parameter, or contains it with another shape. Returns the names of stored tensors
 * that the model does not use. `what` ends the error's sentence: `this model`.
 */
export async function checkTensors(model: Stored, reader: CheckpointReader, what = 'this model'): Promise<string[]> {
  const { nameOf = same, redundant = [], carried = [] } = (await model.storage?.(reader)) ?? {};
  const problems: string[] = [];
  for (const { name, shape } of model.parameters) {
    const info = reader.tensors.get(nameOf(name));
    if (!info) problems.push(`"${name}" is missing`);
    else if (info.shape.join() !== shape.join()) {
      problems.push(`"${name}" has shape [${info.shape.join(', ')}], but the model's is [${shape.join(', ')}]`);
    }
  }
  if (problems.length > 0) {
    throw new CheckpointError(`${reader.path} does not hold ${what}: ${listedProblems(problems)}.`, {
      code: 'checkpoint.mismatch',
    });
  }
  const known = new Set<string>([...model.parameters.map(({ name }) => nameOf(name)), ...redundant, ...carried]);
  return [...reader.tensors.keys()].filter((name) => !known.has(name));
}

const same = (name: string): string => name;

/**
 * Reads the model's parameters one by one, widened to float32, or with their matrices in bfloat16. The consumer owns
 * the tensors.
 */
export async function* streamParameters(
  model: Stored,
  reader: CheckpointReader,
  weights: WeightPrecision = 'float32',
): AsyncGenerator<readonly [string, tf.Tensor]> {
  const { nameOf = same } = (await model.storage?.(reader)) ?? {};
  for (const { name, shape } of model.parameters) {
    const stored = nameOf(name);
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
