import type { Engine } from '@graft/engine';
import { createHash } from 'node:crypto';
import { checkpointConfigOf } from '../data/special-tokens';
import type { Model, Parameters } from '../interfaces';

/** Hexadecimal digits of a digest: 64 bits tell all models and requests of a laboratory apart. */
const DIGITS = 16;

/**
 * Digest of what determines a model's answers: its config with the policy for special tokens, the values of its
 * parameters, and the precision of products. Reads every parameter once.
 */
export async function modelDigest(engine: Engine, model: Model, parameters: Parameters): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([model.kind, engine.precision, checkpointConfigOf(model)]));
  for (const { name } of model.parameters) {
    const tensor = parameters[name];
    hash.update(JSON.stringify([name, tensor.shape, tensor.dtype]));
    const values = await tensor.data();
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex').slice(0, DIGITS);
}

/** Digest of a plain value. */
export function digestOfJson(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, DIGITS);
}
