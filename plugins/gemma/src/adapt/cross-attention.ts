/** The initial values of a new encoder-decoder's cross-attention, and the reason for them. */
import { ConfigError } from '@graft/core';
import type { EncoderDecoderConfig } from '../model/config-types';

/** `auto`: the projections are copied if the two sides agree in width and heads, otherwise random. */
export type CrossAttention = 'auto' | 'copy' | 'random';

/** All ways to initialize cross-attention. */
export const CROSS_ATTENTION_CHOICES: readonly CrossAttention[] = ['auto', 'copy', 'random'];

/** Initial values of the norms before and after cross-attention: those around self-attention, or gain 1. */
export type CrossAttentionNorms = 'copy' | 'identity';

/** All ways to initialize the norms around cross-attention. */
export const CROSS_ATTENTION_NORMS: readonly CrossAttentionNorms[] = ['copy', 'identity'];

/** Fields in which two sides must be equal for self-attention to serve as cross-attention. */
const AGREEMENT = [
  ['hidden', 'hidden size'],
  ['heads', 'query heads'],
  ['keyValueHeads', 'key/value heads'],
  ['headDim', 'head dimension'],
] as const;

/** Fields in which the sides of the paper's balanced pairs are also equal, though a copy does not need it. */
const BALANCE = [
  ['layers', 'depth'],
  ['feedForward', 'feed-forward width'],
] as const;

const differing = ({ encoder, decoder }: EncoderDecoderConfig, fields: typeof AGREEMENT | typeof BALANCE): string[] =>
  fields
    .filter(([field]) => encoder[field] !== decoder[field])
    .map(([field, words]) => `${words} ${encoder[field]} (encoder) and ${decoder[field]} (decoder)`);

/** How the sides differ, in words; empty when cross-attention can be copied by rule. */
export const disagreements = (config: EncoderDecoderConfig): string[] => differing(config, AGREEMENT);

const COPY_HINT = 'Take crossAttention random (or auto), and train it first (train.crossAttentionWarmupSteps).';

/**
 * Whether cross-attention's projections are copied. `config`: with the heads of the sources. Throws ConfigError if a
 * copy is requested that shapes forbid.
 */
export function copiesCrossAttention(config: EncoderDecoderConfig, choice: CrossAttention): boolean {
  if (choice === 'random') return false;
  const differences = disagreements(config);
  if (choice === 'auto' || differences.length === 0) return differences.length === 0;
  const { encoder, decoder } = config;
  if (encoder.hidden !== decoder.hidden) {
    // Keys and values are computed from encoder states; in the decoder's own self-attention, from the decoder's.
    const rows = decoder.keyValueHeads * decoder.headDim;
    throw new ConfigError(
      `Cross-attention cannot be copied from the decoder's self-attention: its keys and values are [${rows}, ${decoder.hidden}], but the encoder's hidden size ${encoder.hidden} wants [${rows}, ${encoder.hidden}].`,
      { code: 'gemma.cross-attention-copy', hint: COPY_HINT },
    );
  }
  throw new ConfigError(
    `Cross-attention should be copied from the decoder's self-attention, but the two sides differ: ${differences.join('; ')}.`,
    { code: 'gemma.cross-attention-copy', hint: COPY_HINT },
  );
}

/** Why cross-attention is copied, or not, and what that means: a clause for people. */
export function crossAttentionReason(config: EncoderDecoderConfig, choice: CrossAttention): string {
  if (choice !== 'auto') return 'as asked for';
  const differences = disagreements(config);
  if (differences.length > 0)
    return `the two sides differ: ${differences.join('; ')}; its projections are to be learned, best before the rest (train.crossAttentionWarmupSteps)`;
  const unbalanced = differing(config, BALANCE);
  if (unbalanced.length === 0) return 'the two sides agree in width, heads, depth and feed-forward';
  return (
    `the two sides agree in width and heads, though not in ${unbalanced.join('; ')}. Layer l of the decoder takes its own ` +
    "self-attention's projections, which then read the encoder's last states. The paper copies for sides of one " +
    'configuration alone; crossAttention random (--cross-attention random) begins as its other pairs do'
  );
}
