import type { DropoutRates, SpecialTokenPolicy, SpecialTokensSection } from '@graft/core';
import type { BlockDescription } from './block';
import type { RotaryPositions } from './rotary';
import type { Size } from './size';

/** All rules for the window of an encoder. */
export const ENCODER_WINDOWS = ['strict', 'inclusive', 'halved', 'symmetric'] as const;

/**
 * Which tokens a sliding layer of the encoder sees: distances below the window (`strict`), also the window's own
 * (`inclusive`), a window that is the whole width (`halved`), or half a window on each side (`symmetric`).
 */
export type EncoderWindow = (typeof ENCODER_WINDOWS)[number];
/**
 * Direction of the encoder's self-attention: both directions as published, or only backwards (the paper's ablation).
 */
export type EncoderAttention = 'bidirectional' | 'causal';

/**
 * How whole sequences attend: with all scores in memory, in blocks of queries, as a kernel of the device, or as suits
 * the device and the length.
 */
export type AttentionMethod = 'auto' | 'whole' | 'blocked' | 'fused';

/** Whether a layer sees a window or everything, as config.json spells it. */
export type LayerType = 'sliding_attention' | 'full_attention';

/** Everything that the arithmetic of one side depends on. */
export interface SideConfig extends Size {
  readonly vocabularySize: number;
  /** In a pair of Graft's own layout: the family whose layers these are, and whose keys config.json has for them. */
  readonly family?: string;
  /** What its layers are made of. */
  readonly block: BlockDescription;
  readonly rmsNormEpsilon: number;
  /** By kind of layer. */
  readonly rotary: Readonly<Record<LayerType, RotaryPositions>>;
  readonly maxPositions: number;
  /**
   * Keys that a sliding layer of a decoder sees: itself and the `slidingWindow - 1` before it. For encoders see
   * `encoderWindow`. Without sliding layers it has no effect.
   */
  readonly slidingWindow: number;
  readonly layerTypes: readonly LayerType[];
  /** Scores become cap * tanh(score / cap); null: they are unchanged. */
  readonly attentionSoftCap: number | null;
  readonly finalLogitSoftCap: number | null;
  /** Scores are scaled by this to the power -1/2 (quirk 7: not by the head dimension). */
  readonly queryPreAttentionScalar: number;
  /** Its row of the embedding gets no gradient. null: there is no pad token. */
  readonly padTokenId: number | null;
  readonly bosTokenId: number;
  /** Empty if nothing ends a sequence. */
  readonly eosTokenIds: readonly number[];
}

/** The architecture of an encoder-decoder. */
export interface EncoderDecoderConfig {
  readonly kind: 'encoder-decoder';
  /** The id of the family whose config.json and tensor names it has (families/index.ts). */
  readonly family: string;
  readonly encoder: SideConfig;
  readonly decoder: SideConfig;
  readonly encoderWindow: EncoderWindow;
  /** Default: bidirectional. */
  readonly encoderAttention?: EncoderAttention;
  /** One embedding table for both sides and the output; T5Gemma has two tables. */
  readonly tieEncoderEmbedding: boolean;
  /** This token has an embedding of its own, which is not scaled, on both sides (T5Gemma 2). */
  readonly endOfImageToken?: number;
  /** The form in which it begins (see preserving.ts). Default: its own. */
  readonly functionPreserving?: FunctionPreserving;
  /** What config.json contains on images, which Graft carries and does not use. */
  readonly vision?: VisionConfig;
  /** Standard deviation of fresh weights; classification heads start with it. */
  readonly initializerRange: number;
  /** The output projection is a table of its own, not the decoder's embedding. The published models tie the two. */
  readonly untiedOutput?: boolean;
  /** Blocks are computed again for the gradient instead of being stored. Not part of a checkpoint. */
  readonly rematerialize?: boolean;
  /** Default: auto. Not part of a checkpoint. */
  readonly attention?: AttentionMethod;
  /** Which special tokens are around text. Default: `auto` everywhere. */
  readonly specialTokens?: SpecialTokenPolicy;
  /** Rates of dropout, the same on both sides. Default: no dropout. */
  readonly dropout?: DropoutRates;
}

/** How far a pair is on the way from the form that computes what its decoder-only source does to its own. */
export interface FunctionPreserving {
  /** Steps of training that are done. */
  readonly done: number;
  /** Steps of the whole way, behind which the pair has its own form. undefined: the first form stays. */
  readonly steps?: number;
}

/** Keys of a T5Gemma 2's config.json that concern images, as they were read. */
export interface VisionConfig {
  readonly encoder: Readonly<Record<string, unknown>>;
  readonly whole: Readonly<Record<string, unknown>>;
}

/** The architecture of a decoder-only model. */
export interface DecoderOnlyConfig {
  readonly kind: 'decoder-only';
  /** As above. */
  readonly family: string;
  readonly decoder: SideConfig;
  /** As above, and so are the following. */
  readonly initializerRange: number;
  readonly untiedOutput?: boolean;
  readonly rematerialize?: boolean;
  /** Default: auto. Not part of a checkpoint. */
  readonly attention?: AttentionMethod;
  readonly specialTokens?: SpecialTokenPolicy;
  /** The published models drop only probabilities of attention. */
  readonly dropout?: DropoutRates;
}

/** An encoder alone: it computes states, and generates no text. */
export interface EncoderOnlyConfig {
  readonly kind: 'encoder-only';
  /** As above. */
  readonly family: string;
  readonly encoder: SideConfig;
  readonly encoderWindow: EncoderWindow;
  readonly encoderAttention?: EncoderAttention;
  readonly initializerRange: number;
  readonly rematerialize?: boolean;
  /** Default: auto. Not part of a checkpoint. */
  readonly attention?: AttentionMethod;
  readonly specialTokens?: SpecialTokenPolicy;
  readonly dropout?: DropoutRates;
}

/** A model that generates text. */
export type GemmaConfig = EncoderDecoderConfig | DecoderOnlyConfig;

/** The architecture of a model of any kind. */
export type AnyGemmaConfig = GemmaConfig | EncoderOnlyConfig;

/** Choices that a checkpoint's config.json does not contain, or that override it. */
export interface GemmaOptions {
  /** Default: the checkpoint's, otherwise the family's: `strict` for T5Gemma (quirk 1). */
  encoderWindow?: EncoderWindow;
  /** Default: the checkpoint's, otherwise `bidirectional`. */
  encoderAttention?: EncoderAttention;
  /** Default: the checkpoint's, otherwise false. */
  tieEncoderEmbedding?: boolean;
  /** Overrides the checkpoint's policy, which is `auto` by default. */
  specialTokens?: SpecialTokensSection;
}
