/** The part of config.json that all families spell alike. */
import { LIMITS, type ConfigFields } from '../model/config-fields';
import type { AnyGemmaConfig, LayerType, SideConfig } from '../model/config-types';
import { NO_DROPOUT } from '../model/dropout-rates';

/** What a family reads in its own way. */
type OwnFields = Pick<SideConfig, 'block' | 'rotary'> &
  Partial<Pick<SideConfig, 'slidingWindow' | 'attentionSoftCap' | 'finalLogitSoftCap' | 'queryPreAttentionScalar'>> & {
    readonly layerTypes: readonly LayerType[];
  };

/**
 * One side. What `own` leaves out is absent from the family: caps, and windows; scores are then scaled by the width of a
 * head.
 */
export function readSide(fields: ConfigFields, own: (layers: number) => OwnFields): SideConfig {
  fields.refuseForeign();
  const layers = fields.integer('num_hidden_layers', LIMITS.layers);
  const heads = fields.integer('num_attention_heads', LIMITS.heads);
  const keyValueHeads = fields.integer('num_key_value_heads', LIMITS.heads, { fallback: heads });
  if (heads % keyValueHeads !== 0) {
    throw fields.fail(
      'num_key_value_heads',
      `is ${keyValueHeads}, which does not divide "num_attention_heads" ${heads}`,
    );
  }
  const hidden = fields.integer('hidden_size', LIMITS.width);
  const headDim = fields.integer('head_dim', LIMITS.headDim, { fallback: Math.floor(hidden / heads) });
  if (headDim % 2 !== 0) throw fields.fail('head_dim', `is ${headDim}; rotary positions need an even number`);
  const vocabularySize = fields.integer('vocab_size', LIMITS.vocabularySize);
  const maxPositions = fields.integer('max_position_embeddings', LIMITS.positions);
  const {
    slidingWindow = maxPositions,
    attentionSoftCap = null,
    finalLogitSoftCap = null,
    queryPreAttentionScalar = headDim,
    ...rest
  } = own(layers);
  return {
    layers,
    hidden,
    feedForward: fields.integer('intermediate_size', LIMITS.width),
    heads,
    headDim,
    keyValueHeads,
    vocabularySize,
    ...rest,
    rmsNormEpsilon: fields.positive('rms_norm_eps', LIMITS.epsilon),
    maxPositions,
    slidingWindow,
    attentionSoftCap,
    finalLogitSoftCap,
    queryPreAttentionScalar,
    padTokenId: fields.token('pad_token_id', vocabularySize),
    bosTokenId: fields.startToken('bos_token_id', vocabularySize),
    eosTokenIds: fields.tokens('eos_token_id'),
  };
}

/** End tokens as config.json spells them. */
export const oneOrList = (ids: readonly number[]): number | readonly number[] | null =>
  ids.length > 1 ? ids : (ids[0] ?? null);

/** The fields that `readSide` reads, to be written. */
export function writeSide(
  side: SideConfig,
  { initializerRange, dropout = NO_DROPOUT }: Pick<AnyGemmaConfig, 'initializerRange' | 'dropout'>,
): Record<string, unknown> {
  return {
    attention_dropout: dropout.attentionDropout,
    bos_token_id: side.bosTokenId,
    eos_token_id: oneOrList(side.eosTokenIds),
    head_dim: side.headDim,
    hidden_size: side.hidden,
    initializer_range: initializerRange,
    intermediate_size: side.feedForward,
    max_position_embeddings: side.maxPositions,
    num_attention_heads: side.heads,
    num_hidden_layers: side.layers,
    num_key_value_heads: side.keyValueHeads,
    pad_token_id: side.padTokenId,
    rms_norm_eps: side.rmsNormEpsilon,
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: side.vocabularySize,
  };
}

/** The published implementation writes keys in this order. */
export const sorted = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).sort(([one], [two]) => (one < two ? -1 : 1)));
