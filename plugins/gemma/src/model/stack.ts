/** One side's layers, over rows [N, D]. Shapes as in layers.ts. */
import type { Parameters } from '@graft/core';
import { constrainRows, recomputed, tf, type RandomKey } from '@graft/engine';
import type { LayerType, SideConfig } from './config-types';
import { drop, splitDropout, type Dropout } from './dropout';
import {
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
import type { Attending, KeysAndValues } from './attention';

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

export type { KeysAndValues } from './attention';

/** Parameters of one layer by their short names. */
export type LayerWeights = (name: string) => tf.Tensor;

export function layerWeights(parameters: Parameters, names: SideNames, layer: number): LayerWeights {
  const prefix = `${names.prefix}.layers.${layer}`;
  return (name) => parameters[`${prefix}.${name}.weight`];
}

export type AttentionName = 'self_attn' | 'cross_attn';

/**
 * Queries of an attention, scaled, and rotated if it has positions (by tables that scale): rows [B*T, D] to [B, T, H,
 * C].
 */
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

/** Keys and values from rows [B*S, D or the encoder's width]; keys are rotated if the attention has positions. */
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

/** x + postNorm(sublayer(preNorm(x))): every sub-layer of Gemma 2 is between two norms. Its output may be dropped. */
function residual(
  x: tf.Tensor,
  weights: LayerWeights,
  [pre, post]: readonly [string, string],
  { epsilon, dropout }: { readonly epsilon: number; readonly dropout: Dropout | undefined },
  sublayer: (normed: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const added = rmsNorm(sublayer(rmsNorm(x, weights(pre), epsilon)), weights(post), epsilon);
  return tf.add(x, drop(added, dropout, 'dropout'));
}

function feedForward(weights: LayerWeights, x: tf.Tensor, dropout: Dropout | undefined): tf.Tensor {
  const gate = linear(x, weights('mlp.gate_proj')); // [N, F]
  const up = linear(x, weights('mlp.up_proj')); // [N, F]
  return linear(drop(gatedGelu(gate, up), dropout, 'dropout'), weights('mlp.down_proj'));
}

/** One attention of a layer: rows [N, D] to rows [N, H*C]. */
type Attention = (layer: number, weights: LayerWeights, rows: tf.Tensor, dropout?: Dropout) => tf.Tensor;

/** The attention of a layer; training, prefill and decoding differ in nothing else. */
export interface LayerAttention {
  readonly self: Attention;
  /** Absent without an encoder. */
  readonly cross?: Attention;
  /** Tensors that these functions read, and the same functions with other tensors: for rematerialized layers. */
  readonly reads?: {
    /** Those with a gradient: the encoder's states. */
    readonly inputs: readonly tf.Tensor[];
    readonly fixed: readonly tf.Tensor[];
    of(inputs: readonly tf.Tensor[], fixed: readonly tf.Tensor[]): LayerAttention;
  };
}

/** Settings that differ between runs of a model's layers. */
export interface LayerSettings {
  /** Only the rows between layers are stored for the gradient. */
  readonly rematerialize?: boolean;
  /** Default: nothing is dropped. */
  readonly dropout?: Dropout;
}

/** Runs one side's layers and final norm over embedded tokens, rows [N, D]. */
export function runLayers(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  embedded: tf.Tensor,
  attention: LayerAttention,
  { rematerialize = false, dropout }: LayerSettings = {},
): tf.Tensor {
  const [ofEmbedding, ofStates, ...ofLayers] = splitDropout(dropout, 2 + side.layers);
  let x = constrainRows(drop(embedded, ofEmbedding, 'dropout'));
  for (let layer = 0; layer < side.layers; layer++)
    x = constrainRows(
      (rematerialize ? runLayerTwice : runLayer)(parameters, side, names, layer, x, attention, ofLayers[layer]),
    );
  return drop(rmsNorm(x, parameters[`${names.prefix}.norm.weight`], side.rmsNormEpsilon), ofStates, 'dropout');
}

function runLayer(
  parameters: Parameters,
  { rmsNormEpsilon: epsilon }: SideConfig,
  names: SideNames,
  layer: number,
  rows: tf.Tensor,
  { self, cross }: LayerAttention,
  dropout?: Dropout,
): tf.Tensor {
  const weights = layerWeights(parameters, names, layer);
  const [inSelf, ofSelf, inFeedForward, ofFeedForward, inCross, ofCross] = splitDropout(dropout, cross ? 6 : 4);
  let x = residual(rows, weights, [names.preSelf, names.postSelf], { epsilon, dropout: ofSelf }, (h) =>
    linear(self(layer, weights, h, inSelf), weights('self_attn.o_proj')),
  );
  if (cross) {
    const normNames = ['pre_cross_attn_layernorm', 'post_cross_attn_layernorm'] as const;
    x = residual(x, weights, normNames, { epsilon, dropout: ofCross }, (h) =>
      linear(cross(layer, weights, h, inCross), weights('cross_attn.o_proj')),
    );
  }
  const normNames = ['pre_feedforward_layernorm', 'post_feedforward_layernorm'] as const;
  return residual(x, weights, normNames, { epsilon, dropout: ofFeedForward }, (h) =>
    feedForward(weights, h, inFeedForward),
  );
}

/** A layer whose inner values are computed again for the gradient. */
function runLayerTwice(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  layer: number,
  rows: tf.Tensor,
  attention: LayerAttention,
  dropout?: Dropout,
): tf.Tensor {
  const { reads } = attention;
  if (!reads) return runLayer(parameters, side, names, layer, rows, attention, dropout);
  const own = Object.keys(parameters).filter((name) => name.startsWith(`${names.prefix}.layers.${layer}.`));
  return recomputed(
    ([x, ...given], ofLayer, all) => {
      const weights = Object.fromEntries(own.map((name, i) => [name, ofLayer[i]]));
      const fixed = all.slice(0, reads.fixed.length);
      // The second time it draws with the same key.
      const dropped = dropout && { ...dropout, key: all[fixed.length] as RandomKey };
      return runLayer(weights, side, names, layer, x, reads.of(given, fixed), dropped);
    },
    [rows, ...reads.inputs],
    {
      parameters: own.map((name) => parameters[name]),
      fixed: [...reads.fixed, ...(dropout ? [dropout.key] : [])],
    },
  );
}

/** Encoder states as rows [B*S, E], and how they are attended to. */
export interface CrossInputs {
  readonly states: tf.Tensor;
  readonly attending: Attending;
}

/** How the layers of each kind attend to their own side. */
export type SelfAttending = Readonly<Record<LayerType, Attending>>;

/** Attention over whole sequences of `length` tokens. `onMade` gets every layer's keys and values, for caches. */
export function wholeSequenceAttention(
  side: SideConfig,
  batch: number,
  length: number,
  attending: SelfAttending,
  cross?: CrossInputs,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const tables = {
    keys: ropeTables(length, side.headDim, side.ropeTheta),
    queries: ropeTables(length, side.headDim, side.ropeTheta, queryScale(side)),
  };
  return attentionWith(side, batch, { tables, attending, cross }, onMade);
}

interface AttentionReads {
  readonly tables: { readonly keys: RopeTables; readonly queries: RopeTables };
  readonly attending: SelfAttending;
  readonly cross?: CrossInputs;
}

function attentionWith(
  side: SideConfig,
  batch: number,
  { tables, attending, cross }: AttentionReads,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const { keys, queries: forQueries } = tables;
  const fixed = [keys.cos, keys.sin, forQueries.cos, forQueries.sin];
  const all = [attending.full_attention, attending.sliding_attention, ...(cross ? [cross.attending] : [])];
  return {
    reads: {
      inputs: cross ? [cross.states] : [],
      fixed: [...fixed, ...all.flatMap(({ tensors }) => tensors)],
      of([states], [keyCos, keySin, queryCos, querySin, ...given]) {
        const [full, sliding, ofCross] = all.map((way) => way.with(given.splice(0, way.tensors.length)));
        return attentionWith(side, batch, {
          tables: { keys: { cos: keyCos, sin: keySin }, queries: { cos: queryCos, sin: querySin } },
          attending: { full_attention: full, sliding_attention: sliding },
          cross: cross && { states, attending: ofCross },
        });
      },
    },
    self(layer, weights, rows, dropout) {
      const made = keysAndValuesOf(side, batch, weights, 'self_attn', rows, keys);
      onMade?.('self_attn', layer, made);
      const queries = queriesOf(side, batch, weights, 'self_attn', rows, forQueries);
      return attending[side.layerTypes[layer]].rows(side, queries, made, dropout);
    },
    // No rotary positions, no window; soft cap and scale are the decoder's (paper, section 3; quirk 2).
    cross:
      cross &&
      ((layer, weights, rows, dropout) => {
        const made = keysAndValuesOf(side, batch, weights, 'cross_attn', cross.states);
        onMade?.('cross_attn', layer, made);
        const queries = queriesOf(side, batch, weights, 'cross_attn', rows);
        return cross.attending.rows(side, queries, made, dropout);
      }),
  };
}
