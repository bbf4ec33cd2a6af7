import { createHash } from 'node:crypto';
import { z } from 'zod';

/** The option `split` of the datasets. */
export const splitOption = z
  .strictObject({
    holdOut: z.number().gt(0).lt(1).describe('Fraction of the documents that is held out from training.'),
    part: z.enum(['train', 'heldOut']).describe('Which documents the dataset gives.'),
  })
  .optional();

/** Which documents are held out, and which part is read. */
export type Split = z.output<typeof splitOption>;

/** What to change where no document belongs to the wanted part. */
export function emptyPartHint({ holdOut, part }: NonNullable<Split>): string {
  return `${part === 'heldOut' ? 'Raise' : 'Lower'} split.holdOut (now ${holdOut}), or give more documents: each belongs to one of the parts.`;
}

/**
 * Whether a document belongs to the wanted part. Only its bytes decide: a document is in the same part on every machine
 * and under any file name, and two copies of one text are never in different parts.
 */
export function belongs(document: Uint8Array, split: Split): boolean {
  if (!split) return true;
  const draw = createHash('sha256').update(document).digest().readUIntBE(0, 6) / 2 ** 48;
  return draw < split.holdOut === (split.part === 'heldOut');
}
