import type { DropoutRates, SpecialTokenPolicy, SpecialTokensSection } from '@graft/core';
import type { Size } from './sizes';

export type EncoderWindow = 'strict' | 'inclusive';
/** Which way the encoder's self-attention looks: both ways as published, or back alone (the paper's ablation). */
export type EncoderAttention = 'bidirectional' | 'causal';
export type LayerType = 'sliding_attention' | 'full_attention';

/** Everything that the arithmetic of one side depends on. */
export interface SideConfig extends Size {
  readonly vocabularySize: number;
  readonly rmsNormEpsilon: number;
  readonly ropeTheta: number;
  readonly maxPositions: number;
  /** Keys that a sliding layer of a decoder sees: itself and the `slidingWindow - 1` before it. Encoders: see `encoderWindow`. */
  readonly slidingWindow: number;
  readonly layerTypes: readonly LayerType[];
  /** Scores become cap * tanh(score / cap); null: they stay as they are. */
  readonly attentionSoftCap: number | null;
  readonly finalLogitSoftCap: number | null;
  /** Scores are scaled by this to the power -1/2 (quirk 7: not by the head dimension). */
  readonly queryPreAttentionScalar: number;
  /** Its row of the embedding gets no gradient. null: there is no such row. */
  readonly padTokenId: number | null;
  readonly bosTokenId: number;
  /** Empty where nothing ends a sequence. */
  readonly eosTokenIds: readonly number[];
}

export interface EncoderDecoderConfig {
  readonly kind: 'encoder-decoder';
  readonly encoder: SideConfig;
  readonly decoder: SideConfig;
  readonly encoderWindow: EncoderWindow;
  /** Default: bidirectional. */
  readonly encoderAttention?: EncoderAttention;
  /** One embedding table for both sides and the output; the published models have two tables. */
  readonly tieEncoderEmbedding: boolean;
  /** Standard deviation of fresh weights; a classification head's begin with it. */
  readonly initializerRange: number;
  /** The output projection is a table of its own, not the decoder's embedding. The published models tie the two. */
  readonly untiedOutput?: boolean;
  /** Blocks are computed again for the gradient instead of being kept. No matter of a checkpoint. */
  readonly rematerialize?: boolean;
  /** Which special tokens stand around text. Default: `auto` throughout. */
  readonly specialTokens?: SpecialTokenPolicy;
  /** What training drops, on both sides alike. Default: nothing. */
  readonly dropout?: DropoutRates;
}

export interface DecoderOnlyConfig {
  readonly kind: 'decoder-only';
  readonly decoder: SideConfig;
  /** As above, here and below. */
  readonly initializerRange: number;
  readonly untiedOutput?: boolean;
  readonly rematerialize?: boolean;
  readonly specialTokens?: SpecialTokenPolicy;
  /** The published models drop probabilities of attention alone. */
  readonly dropout?: DropoutRates;
}

/** An encoder alone: it makes states, and no words. */
export interface EncoderOnlyConfig {
  readonly kind: 'encoder-only';
  readonly encoder: SideConfig;
  readonly encoderWindow: EncoderWindow;
  readonly encoderAttention?: EncoderAttention;
  readonly initializerRange: number;
  readonly rematerialize?: boolean;
  readonly specialTokens?: SpecialTokenPolicy;
  readonly dropout?: DropoutRates;
}

/** Of a model that makes words. */
export type GemmaConfig = EncoderDecoderConfig | DecoderOnlyConfig;

export type AnyGemmaConfig = GemmaConfig | EncoderOnlyConfig;

/** Choices that a checkpoint's config.json does not make, or that override it. */
export interface GemmaOptions {
  /** Default: what the checkpoint says of itself, else `strict` (quirk 1). */
  encoderWindow?: EncoderWindow;
  /** Default: what the checkpoint says of itself, else `bidirectional`. */
  encoderAttention?: EncoderAttention;
  /** Default: what the checkpoint says of itself, else false. */
  tieEncoderEmbedding?: boolean;
  /** Laid over what the checkpoint says of itself, which is `auto` where it is silent. */
  specialTokens?: SpecialTokensSection;
}
