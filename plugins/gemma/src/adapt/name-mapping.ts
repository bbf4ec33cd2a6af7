/**
 * Which tensor of a decoder-only checkpoint each parameter of an encoder-decoder comes from (fixtures' table of names;
 * paper, section 3): a table of names, and nothing else.
 */

export type Side = 'encoder' | 'decoder';

/** Name within a layer or a stack, in the encoder-decoder and in Gemma 2. */
const STACK_NAMES: Readonly<Record<string, string>> = {
  'embed_tokens.weight': 'embed_tokens.weight',
  'norm.weight': 'norm.weight',
};

const LAYER_NAMES: Readonly<Record<string, string>> = {
  'self_attn.q_proj.weight': 'self_attn.q_proj.weight',
  'self_attn.k_proj.weight': 'self_attn.k_proj.weight',
  'self_attn.v_proj.weight': 'self_attn.v_proj.weight',
  'self_attn.o_proj.weight': 'self_attn.o_proj.weight',
  'mlp.gate_proj.weight': 'mlp.gate_proj.weight',
  'mlp.up_proj.weight': 'mlp.up_proj.weight',
  'mlp.down_proj.weight': 'mlp.down_proj.weight',
  'pre_self_attn_layernorm.weight': 'input_layernorm.weight',
  'post_self_attn_layernorm.weight': 'post_attention_layernorm.weight',
  'pre_feedforward_layernorm.weight': 'pre_feedforward_layernorm.weight',
  'post_feedforward_layernorm.weight': 'post_feedforward_layernorm.weight',
};

/** Copied or at gain 1. Neither the paper nor published code states the initial values of the authors' models. */
const CROSS_NORMS: Readonly<Record<string, string>> = {
  'pre_cross_attn_layernorm.weight': 'input_layernorm.weight',
  'post_cross_attn_layernorm.weight': 'post_attention_layernorm.weight',
};

/** Copied if the two sides agree, otherwise random. */
const CROSS_PROJECTIONS: Readonly<Record<string, string>> = {
  'cross_attn.q_proj.weight': 'self_attn.q_proj.weight',
  'cross_attn.k_proj.weight': 'self_attn.k_proj.weight',
  'cross_attn.v_proj.weight': 'self_attn.v_proj.weight',
  'cross_attn.o_proj.weight': 'self_attn.o_proj.weight',
};

/** Where a tensor of the new model comes from. */
export interface MappedName {
  /** The side whose checkpoint contains the tensor. */
  readonly side: Side;
  /** Tensor of that decoder-only checkpoint. */
  readonly source: string;
  /** One of cross-attention's four projections, or one of the two norms around it. */
  readonly cross?: 'projection' | 'norm';
}

/** The origin of an encoder-decoder parameter; undefined for a name outside the architecture. */
export function mapName(target: string): MappedName | undefined {
  // An output that is not tied to the embedding.
  if (target === 'lm_head.out_proj.weight') return { side: 'decoder', source: 'lm_head.weight' };
  const match = /^model\.(encoder|decoder)\.(?:layers\.(\d+)\.)?(.+)$/.exec(target);
  if (!match) return undefined;
  const [, side, layer, rest] = match as unknown as [string, Side, string | undefined, string];
  if (layer === undefined) {
    const source = STACK_NAMES[rest];
    return source === undefined ? undefined : { side, source: `model.${source}` };
  }
  const cross = Object.hasOwn(CROSS_PROJECTIONS, rest)
    ? 'projection'
    : Object.hasOwn(CROSS_NORMS, rest)
      ? 'norm'
      : undefined;
  const source = { ...LAYER_NAMES, ...CROSS_PROJECTIONS, ...CROSS_NORMS }[rest];
  if (source === undefined) return undefined;
  return { side, source: `model.layers.${layer}.${source}`, ...(cross ? { cross } : {}) };
}
