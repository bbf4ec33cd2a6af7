import { appendsEos, DataError, readsBos, specialTokenPolicy, type Model } from '@graft/core';
import type { EncodeOptions } from './encode-examples';

/** Ids of the special tokens around a text. */
export type Around = Pick<EncodeOptions, 'bos' | 'eos'>;

/**
 * The special tokens around a text that `model` classifies: from the options, otherwise from the model's policy, in
 * which `auto` for the end means an end token: the head reads its state. The ids are the model's own. Throws DataError
 * if the options request an end token that the model does not have.
 */
export function specialsAround(
  model: Pick<Model, 'kind' | 'specialTokens' | 'encoderTokens'>,
  { prependBos, appendEos }: { readonly prependBos?: boolean; readonly appendEos?: boolean },
): Around {
  const side = model.kind === 'decoder-only' ? 'decoder' : 'encoder';
  const { start, eos } = (side === 'encoder' ? model.encoderTokens : undefined)?.specialTokens ?? model.specialTokens;
  if (appendEos && eos.length === 0)
    throw new DataError('appendEos is true, but the model has no end token.', {
      code: 'superglue.no-end',
      exitCode: 2,
      hint: 'Leave appendEos out, or name an end token for the model (model.eosTokenId).',
    });
  return {
    ...((prependBos ?? readsBos(model, side)) ? { bos: start } : {}),
    ...((appendEos ?? appendsEos(specialTokenPolicy(model), side, eos.length > 0)) ? { eos: eos[0] } : {}),
  };
}
