/**
 * Which tensor of a decoder-only checkpoint each parameter of an encoder-decoder comes from (fixtures' tables of names;
 * paper, section 3): a table of names, and nothing else.
 */
import { ATTENTION_PROJECTIONS, FEED_FORWARD_PROJECTIONS } from '../model/block';
import { DECODER_NAMES, DECODER_ONLY_NAMES, outputName, type SideNames } from '../model/names';

export type Side = 'encoder' | 'decoder';

/** Names within a stack, in the encoder-decoder and in decoder-only models alike. */
const STACK_NAMES: readonly string[] = ['embed_tokens.weight', 'norm.weight'];

/** The embedding of one token alone (T5Gemma 2), which is its row of the table, scaled. */
const END_OF_IMAGE = 'embed_tokens.eoi_embedding';

/** Where a tensor of the new model comes from. */
export interface MappedName {
  /** The side whose checkpoint contains the tensor. */
  readonly side: Side;
  /** Tensor of that decoder-only checkpoint. */
  readonly source: string;
  /** A projection of cross-attention or a norm within it, or one of the two norms around it. */
  readonly cross?: 'projection' | 'norm';
  /** Only the row of the token that has an embedding of its own, times the factor of the table's rows. */
  readonly row?: 'end-of-image';
}

/** The norms around a layer's sub-layers: of the encoder-decoder, and the one of a decoder-only layer that it copies. */
const NORMS: Readonly<Record<string, keyof SideNames>> = {
  [DECODER_NAMES.preSelf]: 'preSelf',
  [DECODER_NAMES.postSelf]: 'postSelf',
  [DECODER_NAMES.preFeedForward]: 'preFeedForward',
  [DECODER_NAMES.postFeedForward]: 'postFeedForward',
};

/** Copied or at gain 1. Neither the paper nor published code states the initial values of the authors' models. */
const CROSS_NORMS: Readonly<Record<string, keyof SideNames>> = {
  pre_cross_attn_layernorm: 'preSelf',
  post_cross_attn_layernorm: 'postSelf',
};

const OF_ATTENTION = [...ATTENTION_PROJECTIONS, 'q_norm', 'k_norm'].join('|');
const SUB_LAYER = new RegExp(
  `^(?:(self_attn|cross_attn)\\.(?:${OF_ATTENTION})|mlp\\.(?:${FEED_FORWARD_PROJECTIONS.join('|')}))\\.(?:weight|bias)$`,
);

/** The origin within a layer; undefined for a name outside the architecture. */
function ofLayer(rest: string, names: SideNames): Pick<MappedName, 'source' | 'cross'> | undefined {
  const part = SUB_LAYER.exec(rest);
  // Copied if the two sides agree, otherwise random.
  if (part?.[1] === 'cross_attn') return { source: rest.replace('cross_attn', 'self_attn'), cross: 'projection' };
  if (part) return { source: rest };
  const norm = rest.replace(/\.weight$/, '');
  if (norm === rest) return undefined;
  if (Object.hasOwn(NORMS, norm)) return { source: `${names[NORMS[norm]]}.weight` };
  return Object.hasOwn(CROSS_NORMS, norm) ? { source: `${names[CROSS_NORMS[norm]]}.weight`, cross: 'norm' } : undefined;
}

/**
 * The origin of an encoder-decoder parameter; undefined for a name outside the architecture. `names`: those of each
 * side's decoder-only checkpoint; default: Gemma's.
 */
export function mapName(target: string, names?: Readonly<Record<Side, SideNames>>): MappedName | undefined {
  // An output that is not tied to the embedding.
  if (target === outputName('encoder-decoder')) return { side: 'decoder', source: outputName('decoder-only') };
  const match = /^model\.(encoder|decoder)\.(?:layers\.(\d+)\.)?(.+)$/.exec(target);
  if (!match) return undefined;
  const [, side, layer, rest] = match as unknown as [string, Side, string | undefined, string];
  const own = names?.[side] ?? DECODER_ONLY_NAMES;
  if (layer !== undefined) {
    const found = ofLayer(rest, own);
    return found && { side, ...found, source: `${own.prefix}.layers.${layer}.${found.source}` };
  }
  if (STACK_NAMES.includes(rest)) return { side, source: `${own.prefix}.${rest}` };
  return rest === END_OF_IMAGE ? { side, source: `${own.prefix}.${STACK_NAMES[0]}`, row: 'end-of-image' } : undefined;
}
