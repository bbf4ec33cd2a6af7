import type { GenerationCosts, GenerationShape, ParameterSpec, PhaseCosts } from '@graft/core';
import { elementCount } from '@graft/engine/internal';
import { cacheSlots, FLOAT_BYTES, slotBytes } from '../generate/decoder-cache';
import type { AnyGemmaConfig, SideConfig } from '../model/config-types';
import { outputName } from '../model/names';
import { parameterSpecs } from '../model/parameters';
import { attentionFlops, crossAttentionFlops, feedForwardFlops, product, stackFlops } from './flops';

/** Operations and bytes of a generation with a cache, from shapes alone; of a pair in its own form. */
export function generationCosts(
  config: AnyGemmaConfig,
  { batch, sourceLength, promptLength, newTokens }: GenerationShape,
  { parameterBytes }: { readonly parameterBytes: number },
): GenerationCosts {
  const weights = weightCounts(config);
  /** A lookup reads one row of a table for each token. */
  const bytes = (count: number, { hidden }: SideConfig, tokens: number): number =>
    parameterBytes * (count + batch * tokens * hidden);
  const encodeOf = (encoder: SideConfig): PhaseCosts => ({
    flops: stackFlops(encoder, batch, sourceLength),
    bytesRead: bytes(weights.encoder, encoder, sourceLength),
  });
  if (config.kind === 'encoder-only') return { encode: encodeOf(config.encoder) };

  const { decoder } = config;
  const output = product(batch, decoder.hidden, decoder.vocabularySize);
  const slots = cacheSlots(decoder, promptLength + newTokens - 1);
  const prefill: PhaseCosts = {
    flops: stackFlops(decoder, batch, promptLength) + output,
    bytesRead: bytes(weights.decoder + weights.crossKeysAndValues + weights.output, decoder, promptLength),
  };
  const step: PhaseCosts = {
    flops:
      decoder.layers * (attentionFlops(decoder, batch, 1, 1, decoder.hidden) + feedForwardFlops(decoder, batch)) +
      scoresOf(decoder, batch, slots - decoder.layers) +
      output,
    bytesRead: bytes(weights.decoder + weights.output, decoder, 1) + slotBytes(decoder, batch, slots),
  };
  if (config.kind === 'decoder-only') return { prefill, step };

  const { encoder } = config;
  const ofSource = crossAttentionFlops({ decoder, encoder }, batch, 0, sourceLength);
  const crossOf = (tokens: number): number =>
    crossAttentionFlops({ decoder, encoder }, batch, tokens, sourceLength) - ofSource;
  return {
    encode: encodeOf(encoder),
    prefill: {
      flops: prefill.flops + ofSource + crossOf(promptLength),
      bytesRead: prefill.bytesRead + FLOAT_BYTES * batch * sourceLength * encoder.hidden,
    },
    step: {
      flops: step.flops + crossOf(1),
      bytesRead: step.bytesRead + slotBytes(decoder, batch, decoder.layers * sourceLength),
    },
  };
}

/** Scores of one query of each row against that many keys, and mixing their values. */
const scoresOf = ({ heads, headDim }: SideConfig, batch: number, keys: number): number =>
  2 * product(batch, heads * headDim, keys);

/** Numbers of parameters that the parts of a generation read whole. */
interface WeightCounts {
  encoder: number;
  /** With queries and outputs of cross-attention. */
  decoder: number;
  /** What only the source goes through, once. */
  crossKeysAndValues: number;
  /** The table that gives the logits, which may be the one that embeds tokens. */
  output: number;
}

function weightCounts(config: AnyGemmaConfig): WeightCounts {
  const counts: WeightCounts = { encoder: 0, decoder: 0, crossKeysAndValues: 0, output: 0 };
  if (config.kind !== 'encoder-only')
    counts.output = elementCount([config.decoder.vocabularySize, config.decoder.hidden]);
  for (const spec of parameterSpecs(config)) {
    const of = whereRead(spec, config);
    if (of) counts[of] += elementCount(spec.shape);
  }
  return counts;
}

function whereRead({ name, part }: ParameterSpec, config: AnyGemmaConfig): keyof WeightCounts | undefined {
  if (part === 'embedding' || name === outputName(config.kind)) return undefined;
  if (part === 'encoder') return 'encoder';
  return /\.cross_attn\.(?:k_proj|v_proj|k_norm)\./.test(name) ? 'crossKeysAndValues' : 'decoder';
}
