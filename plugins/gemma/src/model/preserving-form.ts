/** How far a pair is on its way from the function-preserving form to its own (preserving.ts), and whether it can be. */
import { CheckpointError } from '@graft/core';
import type { EncoderDecoderConfig, FunctionPreserving } from './config-types';

/** The progress of a pair in one of these forms; undefined for one in its own form. */
export function progressOf({ functionPreserving: form }: EncoderDecoderConfig): number | undefined {
  return form && (form.steps === undefined ? 0 : form.done / form.steps);
}

/** The form after `steps` more steps; undefined: the pair's own. */
export function formAfter({ done, steps }: FunctionPreserving, more: number): FunctionPreserving | undefined {
  if (steps === undefined) return { done };
  return done + more < steps ? { done: done + more, steps } : undefined;
}

/** Fields in which the sides must be equal: the keys of one layer are read by the other's queries. */
const EQUAL = [
  ['layers', 'layers'],
  ['keyValueHeads', 'key/value heads'],
  ['headDim', 'head dimension'],
] as const;

/** Refuses a pair whose decoder cannot read its encoder layer by layer. `where` begins the sentence. */
export function checkPreserving({ encoder, decoder }: EncoderDecoderConfig, where: string): void {
  const fail = (problem: string, hint: string): CheckpointError =>
    new CheckpointError(`${where}: the function-preserving form ${problem}.`, {
      code: 'gemma.preserve-function',
      exitCode: 2,
      hint,
    });
  if (decoder.block.crossAttention !== 'merged')
    throw fail('has merged attention, but this pair has separate cross-attention', 'Take crossAttentionForm merged.');
  const differing = EQUAL.filter(([field]) => encoder[field] !== decoder[field]);
  if (differing.length === 0) return;
  const found = differing.map(([field, words]) => `${words} ${encoder[field]} and ${decoder[field]}`);
  throw fail(
    `pairs each layer of the decoder with one of the encoder, but encoder and decoder have ${found.join('; ')}`,
    'Take both sides from one checkpoint, with all of its layers and heads.',
  );
}

/** The form in words. */
export function describePreserving({ done, steps }: FunctionPreserving): string {
  if (steps === undefined) return 'The pair computes what its decoder-only source does, and stays in that form.';
  if (done === 0)
    return `The pair computes what its decoder-only source does, and turns into its own form in ${steps} steps.`;
  return `The pair is ${done} of ${steps} steps on its way from what its decoder-only source computes to its own form.`;
}
