/** One side's layers, over rows [N, D]. Shapes as in layers.ts. */
import type { Parameters } from '@graft/core';
import { recomputed, tf } from '@graft/engine';
import type { SideConfig } from './config';
import {
  attend,
  gatedGelu,
  linear,
  queryScale,
  rmsNorm,
  rope,
  ropeTables,
  splitHeads,
  toHeadsFirst,
  type RopeTables,
} from './layers';
import type { SideMasks } from './masks';

/** Names that differ between the decoder-only checkpoints and the two sides of an encoder-decoder. */
export interface SideNames {
  readonly prefix: string;
  readonly preSelf: string;
  readonly postSelf: string;
}

export const DECODER_ONLY_NAMES: SideNames = {
  prefix: 'model',
  preSelf: 'input_layernorm',
  postSelf: 'post_attention_layernorm',
};
export const ENCODER_NAMES: SideNames = {
  prefix: 'model.encoder',
  preSelf: 'pre_self_attn_layernorm',
  postSelf: 'post_self_attn_layernorm',
};
export const DECODER_NAMES: SideNames = { ...ENCODER_NAMES, prefix: 'model.decoder' };

/** Keys and values of one attention, heads first: [B, K, S, C] each. */
export interface KeysAndValues {
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** Parameters of one layer by their short names. */
export type LayerWeights = (name: string) => tf.Tensor;

export function layerWeights(parameters: Parameters, names: SideNames, layer: number): LayerWeights {
  const prefix = `${names.prefix}.layers.${layer}`;
  return (name) => parameters[`${prefix}.${name}.weight`];
}

export type AttentionName = 'self_attn' | 'cross_attn';

/** Queries of an attention, scaled, and rotated where it has positions (by tables that scale): rows [B*T, D] to [B, T, H, C]. */
export function queriesOf(
  side: SideConfig,
  batch: number,
  weights: LayerWeights,
  name: AttentionName,
  rows: tf.Tensor,
  tables?: RopeTables,
): tf.Tensor {
  const queries = splitHeads(linear(rows, weights(`${name}.q_proj`)), batch, side.heads);
  return tables ? rope(queries, tables) : tf.mul(queries, queryScale(side));
}

/** Keys and values out of rows [B*S, D or the encoder's width]; keys are rotated where the attention has positions. */
export function keysAndValuesOf(
  side: SideConfig,
  batch: number,
  weights: LayerWeights,
  name: AttentionName,
  rows: tf.Tensor,
  tables?: RopeTables,
): KeysAndValues {
  const keys = splitHeads(linear(rows, weights(`${name}.k_proj`)), batch, side.keyValueHeads);
  const values = splitHeads(linear(rows, weights(`${name}.v_proj`)), batch, side.keyValueHeads);
  return { keys: toHeadsFirst(tables ? rope(keys, tables) : keys), values: toHeadsFirst(values) };
}

/** x + postNorm(sublayer(preNorm(x))): every sub-layer of Gemma 2 stands between two norms. */
function residual(
  x: tf.Tensor,
  weights: LayerWeights,
  [pre, post]: readonly [string, string],
  epsilon: number,
  sublayer: (normed: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  return tf.add(x, rmsNorm(sublayer(rmsNorm(x, weights(pre), epsilon)), weights(post), epsilon));
}

function feedForward(weights: LayerWeights, x: tf.Tensor): tf.Tensor {
  const gate = linear(x, weights('mlp.gate_proj')); // [N, F]
  const up = linear(x, weights('mlp.up_proj')); // [N, F]
  return linear(gatedGelu(gate, up), weights('mlp.down_proj'));
}

/** How a layer attends; training, prefill and decoding differ in nothing else. Rows [N, D] to rows [N, H*C]. */
export interface LayerAttention {
  readonly self: (layer: number, weights: LayerWeights, rows: tf.Tensor) => tf.Tensor;
  /** Absent without an encoder. */
  readonly cross?: (layer: number, weights: LayerWeights, rows: tf.Tensor) => tf.Tensor;
  /** Tensors that these functions read, and the same functions of other ones: for layers that are computed again. */
  readonly reads?: {
    /** Those with a gradient: the encoder's states. */
    readonly inputs: readonly tf.Tensor[];
    readonly fixed: readonly tf.Tensor[];
    of(inputs: readonly tf.Tensor[], fixed: readonly tf.Tensor[]): LayerAttention;
  };
}

/**
 * Runs one side's layers and final norm over embedded tokens, rows [N, D]. With `rematerialize` only the rows between layers
 * are kept for the gradient.
 */
export function runLayers(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  embedded: tf.Tensor,
  attention: LayerAttention,
  rematerialize = false,
): tf.Tensor {
  let x = embedded;
  for (let layer = 0; layer < side.layers; layer++)
    x = (rematerialize ? runLayerTwice : runLayer)(parameters, side, names, layer, x, attention);
  return rmsNorm(x, parameters[`${names.prefix}.norm.weight`], side.rmsNormEpsilon);
}

function runLayer(
  parameters: Parameters,
  { rmsNormEpsilon: epsilon }: SideConfig,
  names: SideNames,
  layer: number,
  rows: tf.Tensor,
  { self, cross }: LayerAttention,
): tf.Tensor {
  const weights = layerWeights(parameters, names, layer);
  let x = residual(rows, weights, [names.preSelf, names.postSelf], epsilon, (h) =>
    linear(self(layer, weights, h), weights('self_attn.o_proj')),
  );
  if (cross) {
    x = residual(x, weights, ['pre_cross_attn_layernorm', 'post_cross_attn_layernorm'], epsilon, (h) =>
      linear(cross(layer, weights, h), weights('cross_attn.o_proj')),
    );
  }
  return residual(x, weights, ['pre_feedforward_layernorm', 'post_feedforward_layernorm'], epsilon, (h) =>
    feedForward(weights, h),
  );
}

/** A layer whose inside is computed again for the gradient. */
function runLayerTwice(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  layer: number,
  rows: tf.Tensor,
  attention: LayerAttention,
): tf.Tensor {
  const { reads } = attention;
  if (!reads) return runLayer(parameters, side, names, layer, rows, attention);
  const own = Object.keys(parameters).filter((name) => name.startsWith(`${names.prefix}.layers.${layer}.`));
  return recomputed(
    ([x, ...given], ofLayer, fixed) => {
      const weights = Object.fromEntries(own.map((name, i) => [name, ofLayer[i]]));
      return runLayer(weights, side, names, layer, x, reads.of(given, fixed));
    },
    [rows, ...reads.inputs],
    { parameters: own.map((name) => parameters[name]), fixed: reads.fixed },
  );
}

/** Encoder states as rows [B*S, E], and the mask of those that are not seen, [B, 1, 1, 1 or T, S]. */
export interface CrossInputs {
  readonly states: tf.Tensor;
  readonly mask: tf.Tensor | undefined;
}

/** Attention over whole sequences of `length` tokens. `onMade` is shown every layer's keys and values, for caches. */
export function wholeSequenceAttention(
  side: SideConfig,
  batch: number,
  length: number,
  masks: SideMasks,
  cross?: CrossInputs,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const tables = {
    keys: ropeTables(length, side.headDim, side.ropeTheta),
    queries: ropeTables(length, side.headDim, side.ropeTheta, queryScale(side)),
  };
  return attentionWith(side, batch, { tables, masks, cross }, onMade);
}

interface AttentionReads {
  readonly tables: { readonly keys: RopeTables; readonly queries: RopeTables };
  readonly masks: SideMasks;
  readonly cross?: CrossInputs;
}

function attentionWith(
  side: SideConfig,
  batch: number,
  { tables, masks, cross }: AttentionReads,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const { keys, queries: forQueries } = tables;
  const fixed = [keys.cos, keys.sin, forQueries.cos, forQueries.sin];
  const optional = [masks.full_attention, masks.sliding_attention, cross?.mask];
  return {
    reads: {
      inputs: cross ? [cross.states] : [],
      fixed: [...fixed, ...optional.filter((mask) => mask !== undefined)],
      of([states], [keyCos, keySin, queryCos, querySin, ...given]) {
        const [full, sliding, crossMask] = optional.map((mask) => mask && given.shift());
        return attentionWith(side, batch, {
          tables: { keys: { cos: keyCos, sin: keySin }, queries: { cos: queryCos, sin: querySin } },
          masks: { full_attention: full, sliding_attention: sliding },
          cross: cross && { states, mask: crossMask },
        });
      },
    },
    self(layer, weights, rows) {
      const made = keysAndValuesOf(side, batch, weights, 'self_attn', rows, keys);
      onMade?.('self_attn', layer, made);
      const queries = queriesOf(side, batch, weights, 'self_attn', rows, forQueries);
      return attend(side, queries, made.keys, made.values, masks[side.layerTypes[layer]]);
    },
    // No rotary positions, no window; soft cap and scale are the decoder's (paper, section 3; quirk 2).
    cross:
      cross &&
      ((layer, weights, rows) => {
        const made = keysAndValuesOf(side, batch, weights, 'cross_attn', cross.states);
        onMade?.('cross_attn', layer, made);
        return attend(side, queriesOf(side, batch, weights, 'cross_attn', rows), made.keys, made.values, cross.mask);
      }),
  };
}
