/** What a layer is made of, as data: a family describes its layers so, and layers.ts and stack.ts compute them. */

/** A projection of a layer, by the last part of its name. */
export type Projection = 'q_proj' | 'k_proj' | 'v_proj' | 'o_proj' | 'gate_proj' | 'up_proj' | 'down_proj';

/** The projections of an attention, in the order of the stored tensors. */
export const ATTENTION_PROJECTIONS: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];

/** The projections of a feed-forward, in the order of the stored tensors. */
export const FEED_FORWARD_PROJECTIONS: readonly Projection[] = ['gate_proj', 'up_proj', 'down_proj'];

/** All forms of cross-attention: see `BlockDescription.crossAttention`. */
export const CROSS_ATTENTION_FORMS = ['separate', 'merged'] as const;

/** One of them. */
export type CrossAttentionForm = (typeof CROSS_ATTENTION_FORMS)[number];

/** What the layers of one side are made of. Sizes, caps, positions and windows are in `SideConfig`. */
export interface BlockDescription {
  /** The gain of every norm: 1 + its weight (Gemma), or its weight (Llama). */
  readonly normGain: 'one-plus-weight' | 'weight';
  /** Where the norms of a sub-layer stand: in front of it, behind it (before the residual sum), or both. */
  readonly norms: 'pre' | 'post' | 'pre-and-post';
  /** Queries and keys are normalised over a head's width, by one weight for all heads, before they are rotated. */
  readonly queryKeyNorms: boolean;
  /** The projections that have a bias. */
  readonly biases: readonly Projection[];
  /** The activation of the gate. */
  readonly activation: 'gelu-tanh' | 'silu';
  /** Factor of the rows of the embedding table. */
  readonly embeddingScale: 'sqrt-hidden' | 'none';
  /**
   * How a decoder attends to an encoder: in a sub-layer with projections of its own, or in one softmax with its own
   * tokens, by the projections of self-attention. Has no effect elsewhere.
   */
  readonly crossAttention: CrossAttentionForm;
}

/** The block of Gemma 2, of which those of later families are variations. */
export const GEMMA2_BLOCK: BlockDescription = {
  normGain: 'one-plus-weight',
  norms: 'pre-and-post',
  queryKeyNorms: false,
  biases: [],
  activation: 'gelu-tanh',
  embeddingScale: 'sqrt-hidden',
  crossAttention: 'separate',
};

const NORMS = { pre: 'norms in front', post: 'norms behind', 'pre-and-post': 'norms in front and behind' } as const;

/** The block in words, for `graft inspect`: what distinguishes it first. */
export function describeBlock(block: BlockDescription, isDecoderOfPair: boolean): string {
  const { normGain, norms, queryKeyNorms, biases, activation, embeddingScale, crossAttention } = block;
  return [
    `${NORMS[norms]} (gain ${normGain === 'weight' ? 'w' : '1 + w'})`,
    ...(queryKeyNorms ? ['q/k norms'] : []),
    activation === 'silu' ? 'SiLU' : 'GELU (tanh)',
    embeddingScale === 'none' ? 'embedding unscaled' : 'embedding x sqrt(hidden)',
    biases.length > 0 ? `biases in ${biases.join(', ')}` : 'no biases',
    ...(isDecoderOfPair ? [`${crossAttention} cross-attention`] : []),
  ].join(', ');
}
