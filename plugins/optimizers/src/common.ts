import { tf } from '@graft/engine';
import { z } from 'zod';
import { matchesName } from '@graft/core';

/** Options that every optimizer has. */
export const commonOptions = {
  learningRate: z.number().positive().describe('Base learning rate; a schedule scales it by step.'),
  weightDecay: z
    .number()
    .min(0)
    .default(0)
    .describe('Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.'),
  decayVectors: z
    .boolean()
    .default(false)
    .describe('Norms and other vectors (tensors of rank 1) do not decay unless this is true.'),
  noDecay: z
    .array(z.string().min(1))
    .default([])
    .describe('Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.'),
  clipNorm: z
    .number()
    .positive()
    .optional()
    .describe('Global norm that gradients are scaled down to. Default: no clipping.'),
};

export const decayRate = z.number().min(0).lt(1);

/** Whether a parameter decays. */
export type Decays = (name: string, shape: readonly number[]) => boolean;

export const decaysBy =
  ({ decayVectors, noDecay }: { readonly decayVectors: boolean; readonly noDecay: readonly string[] }): Decays =>
  (name, shape) =>
    (decayVectors || shape.length !== 1) && !noDecay.some((pattern) => matchesName(name, pattern));

/** The factor of the gradients; 1e-6 as in torch's clip_grad_norm_, where it matters at a norm of exactly the limit. */
export function clipFactor(norm: tf.Tensor, clipNorm: number | undefined): tf.Tensor {
  if (clipNorm === undefined) return tf.scalar(1);
  return tf.minimum(1, tf.div(clipNorm, tf.add(norm, 1e-6)));
}
