/** Tensor names of the published checkpoints. */
import type { AnyGemmaConfig } from './config-types';

/** Names that differ between the decoder-only checkpoints and the two sides of an encoder-decoder. */
export interface SideNames {
  readonly prefix: string;
  /** The norms around self-attention; a block without norms behind its sub-layers has no `post…`. */
  readonly preSelf: string;
  readonly postSelf: string;
  readonly preFeedForward: string;
  readonly postFeedForward: string;
}

/** Names of a family's parameters. */
export interface ModelNames {
  readonly encoder: SideNames;
  readonly decoder: SideNames;
  readonly encoderTable: string;
  /** Also the table of the output, unless that is untied. */
  readonly decoderTable: string;
  /** The embedding of `endOfImageToken`. */
  readonly endOfImage?: string;
}

/** The decoder's table of T5Gemma. */
export const DECODER_EMBEDDING = 'model.decoder.embed_tokens.weight';
/** The encoder's table of T5Gemma, and the only one of T5Gemma 2. */
export const ENCODER_EMBEDDING = 'model.encoder.embed_tokens.weight';
/** The table of a decoder-only model. */
export const DECODER_ONLY_EMBEDDING = 'model.embed_tokens.weight';

/** The output projection, if it is not tied to the (decoder's) embedding. */
export const outputName = (kind: AnyGemmaConfig['kind']): string =>
  kind === 'decoder-only' ? 'lm_head.weight' : 'lm_head.out_proj.weight';

/** Some writers store the output projection even if it is tied. */
export const TIED_OUTPUT_NAMES: readonly string[] = [outputName('encoder-decoder'), outputName('decoder-only')];

const FEED_FORWARD_NORMS = {
  preFeedForward: 'pre_feedforward_layernorm',
  postFeedForward: 'post_feedforward_layernorm',
} as const;

/** Of a decoder-only model with norms around each sub-layer. */
export const DECODER_ONLY_NAMES: SideNames = {
  prefix: 'model',
  preSelf: 'input_layernorm',
  postSelf: 'post_attention_layernorm',
  ...FEED_FORWARD_NORMS,
};

/** Of a decoder-only model with a norm in front of each sub-layer, the second of which is called after the first. */
export const PRE_NORM_NAMES: SideNames = { ...DECODER_ONLY_NAMES, preFeedForward: 'post_attention_layernorm' };

/** Of the encoder of an encoder-decoder. */
export const ENCODER_NAMES: SideNames = {
  prefix: 'model.encoder',
  preSelf: 'pre_self_attn_layernorm',
  postSelf: 'post_self_attn_layernorm',
  ...FEED_FORWARD_NORMS,
};
/** Of the decoder of an encoder-decoder. */
export const DECODER_NAMES: SideNames = { ...ENCODER_NAMES, prefix: 'model.decoder' };

/** The names of a pair whose sides have a table each. */
export const PAIR_NAMES: ModelNames = {
  encoder: ENCODER_NAMES,
  decoder: DECODER_NAMES,
  encoderTable: ENCODER_EMBEDDING,
  decoderTable: DECODER_EMBEDDING,
};

/** Under which names a folder may store a parameter of such a pair, or of its encoder alone. */
export function storedInPair(name: string, kind: string): readonly string[] {
  // The published encoder alone has names without `model.` (quirk 21 of the second set).
  if (kind === 'encoder-only') return [name, name.replace(/^model\./, '')];
  // The decoder's table also fills the encoder's if the checkpoint was saved with one table for both.
  return name === ENCODER_EMBEDDING ? [name, DECODER_EMBEDDING] : [name];
}

/** The names of a model without an encoder, or of an encoder alone that is stored like one. */
export const singleStack = (names: SideNames): ModelNames => ({
  encoder: names,
  decoder: names,
  encoderTable: DECODER_ONLY_EMBEDDING,
  decoderTable: DECODER_ONLY_EMBEDDING,
});

/** The table that embeds the encoder's tokens. */
export const encoderTableOf = (names: ModelNames, tied: boolean): string =>
  tied ? names.decoderTable : names.encoderTable;
