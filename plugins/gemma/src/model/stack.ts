/** One side's layers, over rows [N, D]. Shapes as in layers.ts. */
import { lowRankTerm, pairOf, type LowRankPair, type Parameters } from '@graft/core';
import { constrainRows, recomputed, tf, type RandomKey } from '@graft/engine';
import type { Projection } from './block';
import type { LayerType, SideConfig } from './config-types';
import { drop, pairMask, splitDropout, type Dropout } from './dropout';
import { gatedGelu, gatedSilu, linear, queryScale, rmsNorm, rope, splitHeads, toHeadsFirst } from './layers';
import type { Attending, KeysAndValues } from './attention';
import type { SideNames } from './names';
import { ropeTables, sameRotation, type RopeTables } from './rotary';

export type { KeysAndValues } from './attention';

/** Parameters of one layer by their short names. */
export interface LayerWeights {
  (name: string, kind?: 'weight' | 'bias'): tf.Tensor;
  /** The low-rank pair of a projection, if it has one. */
  pair(name: string): LowRankPair | undefined;
}

export function layerWeights(parameters: Parameters, names: SideNames, layer: number): LayerWeights {
  const prefix = `${names.prefix}.layers.${layer}`;
  const weights = (name: string, kind: 'weight' | 'bias' = 'weight'): tf.Tensor =>
    parameters[`${prefix}.${name}.${kind}`];
  return Object.assign(weights, {
    pair: (name: string) => pairOf(parameters, `${prefix}.${name}.weight`),
  });
}

export type AttentionName = 'self_attn' | 'cross_attn';

/** Rows through the projection `of.name`, with its bias if the block has one, and its low-rank pair if it has one. */
function project(
  { block }: SideConfig,
  weights: LayerWeights,
  of: AttentionName | 'mlp',
  name: Projection,
  rows: tf.Tensor,
  { dropout, reads = 'own' }: PairInputs = {},
): tf.Tensor {
  const path = `${of}.${name}`;
  const product = linear(rows, weights(path), block.biases.includes(name) ? weights(path, 'bias') : undefined);
  const pair = weights.pair(path);
  if (!pair) return product;
  const drawn = reads === 'own' ? path : `${path} of the ${reads}`;
  return tf.add(product, lowRankTerm(rows, pair, pairMask(dropout, drawn, rows)));
}

/** What a low-rank pair reads. */
interface PairInputs {
  readonly dropout?: Dropout;
  /** Merged attention sends rows of two sequences through one projection. */
  readonly reads?: 'own' | 'source';
}

/** A projection's rows as heads [B, T, heads, C], normalised over C by `norm` if the block does that. */
function headsOf(
  { block, rmsNormEpsilon, headDim }: SideConfig,
  rows: tf.Tensor,
  [batch, heads]: readonly [number, number],
  norm: tf.Tensor | undefined,
): tf.Tensor {
  const split = splitHeads(rows, batch, heads);
  if (!norm) return split;
  // One vector for all heads, and before the rotation (quirk 1 of the second set).
  const normed = rmsNorm(tf.reshape(split, [-1, headDim]), norm, rmsNormEpsilon, block.normGain);
  return tf.reshape(normed, split.shape);
}

const normOf = (
  { block }: SideConfig,
  weights: LayerWeights,
  of: AttentionName,
  name: 'q_norm' | 'k_norm',
): tf.Tensor | undefined => (block.queryKeyNorms ? weights(`${of}.${name}`) : undefined);

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
  dropout?: Dropout,
): tf.Tensor {
  const projected = project(side, weights, name, 'q_proj', rows, { dropout });
  const queries = headsOf(side, projected, [batch, side.heads], normOf(side, weights, name, 'q_norm'));
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
  inputs: PairInputs = {},
): KeysAndValues {
  const { keyValueHeads } = side;
  const projected = project(side, weights, name, 'k_proj', rows, inputs);
  const keys = headsOf(side, projected, [batch, keyValueHeads], normOf(side, weights, name, 'k_norm'));
  const values = splitHeads(project(side, weights, name, 'v_proj', rows, inputs), batch, keyValueHeads);
  return { keys: toHeadsFirst(tables ? rope(keys, tables) : keys), values: toHeadsFirst(values) };
}

/** What the self-attention of a layer makes of the rows [N, D] that go into the layer, without positions. */
export function layerKeysAndValues(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  layer: number,
  batch: number,
  rows: tf.Tensor,
): KeysAndValues {
  const weights = layerWeights(parameters, names, layer);
  const { norms, normGain } = side.block;
  const read = norms === 'post' ? rows : rmsNorm(rows, weights(names.preSelf), side.rmsNormEpsilon, normGain);
  return keysAndValuesOf(side, batch, weights, 'self_attn', read);
}

/** x + postNorm(sublayer(preNorm(x))), without the norms that the block does not have. What is added may be dropped. */
function residual(
  x: tf.Tensor,
  weights: LayerWeights,
  [pre, post]: readonly [string, string],
  { side, dropout }: { readonly side: SideConfig; readonly dropout: Dropout | undefined },
  sublayer: (normed: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  const { norms, normGain } = side.block;
  const normed = (rows: tf.Tensor, name: string): tf.Tensor =>
    rmsNorm(rows, weights(name), side.rmsNormEpsilon, normGain);
  const made = sublayer(norms === 'post' ? x : normed(x, pre));
  const added = norms === 'pre' ? made : normed(made, post);
  return tf.add(x, drop(added, dropout, 'dropout'));
}

function feedForward(side: SideConfig, weights: LayerWeights, x: tf.Tensor, dropout: Dropout | undefined): tf.Tensor {
  const gate = project(side, weights, 'mlp', 'gate_proj', x, { dropout }); // [N, F]
  const up = project(side, weights, 'mlp', 'up_proj', x, { dropout }); // [N, F]
  const gated = side.block.activation === 'silu' ? gatedSilu(gate, up) : gatedGelu(gate, up);
  return project(side, weights, 'mlp', 'down_proj', drop(gated, dropout, 'dropout'), { dropout });
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
  /** Called with the rows that go into each layer. */
  readonly onLayer?: (rows: tf.Tensor, layer: number) => void;
}

/** Runs one side's layers and final norm over embedded tokens, rows [N, D]. */
export function runLayers(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  embedded: tf.Tensor,
  attention: LayerAttention,
  { rematerialize = false, dropout, onLayer }: LayerSettings = {},
): tf.Tensor {
  const [ofEmbedding, ofStates, ...ofLayers] = splitDropout(dropout, 2 + side.layers);
  let x = constrainRows(drop(embedded, ofEmbedding, 'dropout'));
  for (let layer = 0; layer < side.layers; layer++) {
    onLayer?.(x, layer);
    x = constrainRows(
      (rematerialize ? runLayerTwice : runLayer)(parameters, side, names, layer, x, attention, ofLayers[layer]),
    );
  }
  const last = rmsNorm(x, parameters[`${names.prefix}.norm.weight`], side.rmsNormEpsilon, side.block.normGain);
  return drop(last, ofStates, 'dropout');
}

function runLayer(
  parameters: Parameters,
  side: SideConfig,
  names: SideNames,
  layer: number,
  rows: tf.Tensor,
  { self, cross }: LayerAttention,
  dropout?: Dropout,
): tf.Tensor {
  const weights = layerWeights(parameters, names, layer);
  const [inSelf, ofSelf, inFeedForward, ofFeedForward, inCross, ofCross] = splitDropout(dropout, cross ? 6 : 4);
  let x = residual(rows, weights, [names.preSelf, names.postSelf], { side, dropout: ofSelf }, (h) =>
    project(side, weights, 'self_attn', 'o_proj', self(layer, weights, h, inSelf), { dropout: inSelf }),
  );
  if (cross) {
    const normNames = ['pre_cross_attn_layernorm', 'post_cross_attn_layernorm'] as const;
    x = residual(x, weights, normNames, { side, dropout: ofCross }, (h) =>
      project(side, weights, 'cross_attn', 'o_proj', cross(layer, weights, h, inCross), { dropout: inCross }),
    );
  }
  const normNames = [names.preFeedForward, names.postFeedForward] as const;
  return residual(x, weights, normNames, { side, dropout: ofFeedForward }, (h) =>
    feedForward(side, weights, h, inFeedForward),
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
  /** Absent in merged attention, where each kind of layer attends to both by one rule. */
  readonly attending?: Attending;
  /** Merged attention in the function-preserving forms: what each layer reads between its own tokens and the states. */
  readonly ofLayers?: readonly KeysAndValues[];
  /** Merged attention of packed rows: positions of the source's keys, where its segments have targets. */
  readonly rotations?: Rotations;
  /** Whether merged attention reads the states. Default true. */
  readonly readsStates?: boolean;
}

/** How the layers of each kind attend to their own side, and in merged attention to the source. */
export type SelfAttending = Readonly<Record<LayerType, Attending>>;

/** The tables for keys, and those for queries, which also scale. */
export interface Rotation {
  readonly keys: RopeTables;
  readonly queries: RopeTables;
}

/** The rotation of each kind of layer; kinds that rotate alike share it. */
export type Rotations = Readonly<Record<LayerType, Rotation>>;

/** The rotations of one side, as `make` makes them for each of its kinds. */
export function rotationsOf(
  { rotary, layerTypes }: SideConfig,
  make: (positions: SideConfig['rotary'][LayerType]) => Rotation,
): Rotations {
  const { full_attention: full, sliding_attention: sliding } = rotary;
  // A kind without layers has no tables of its own.
  const one = sameRotation(full, sliding) || new Set(layerTypes).size === 1;
  if (one) {
    const shared = make(rotary[layerTypes[0]]);
    return { full_attention: shared, sliding_attention: shared };
  }
  return { full_attention: make(full), sliding_attention: make(sliding) };
}

/** Attention over whole sequences of `length` tokens. `onMade` gets every layer's keys and values, for caches. */
export function wholeSequenceAttention(
  side: SideConfig,
  batch: number,
  length: number,
  attending: SelfAttending,
  cross?: CrossInputs,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const rotations = rotationsOf(side, (positions) => ({
    keys: ropeTables(length, side.headDim, positions),
    queries: ropeTables(length, side.headDim, positions, queryScale(side)),
  }));
  return attentionWith(side, batch, { rotations, attending, cross }, onMade);
}

interface AttentionReads {
  readonly rotations: Rotations;
  readonly attending: SelfAttending;
  readonly cross?: CrossInputs;
}

/** The tensors of rotations, those that kinds share once, and the same with other tensors. */
function rotationTensors({ full_attention: full, sliding_attention: sliding }: Rotations): {
  readonly tensors: readonly tf.Tensor[];
  readonly with: (given: readonly tf.Tensor[]) => Rotations;
} {
  const tensorsOf = ({ keys, queries }: Rotation): tf.Tensor[] => [keys.cos, keys.sin, queries.cos, queries.sin];
  const rotation = ([keyCos, keySin, queryCos, querySin]: readonly tf.Tensor[]): Rotation => ({
    keys: { cos: keyCos, sin: keySin },
    queries: { cos: queryCos, sin: querySin },
  });
  const shared = full === sliding;
  const each = tensorsOf(full).length;
  return {
    tensors: [...tensorsOf(full), ...(shared ? [] : tensorsOf(sliding))],
    with(given) {
      const first = rotation(given.slice(0, each));
      return { full_attention: first, sliding_attention: shared ? first : rotation(given.slice(each)) };
    },
  };
}

/** The tensors with a gradient that a decoder reads of its source. */
const sourceTensors = ({ states, ofLayers = [], readsStates = true }: CrossInputs, merged: boolean): tf.Tensor[] => [
  ...(readsStates || !merged ? [states] : []),
  ...ofLayers.flatMap(({ keys, values }) => [keys, values]),
];

/** The same with other tensors, in that order. */
function withSourceTensors(cross: CrossInputs, merged: boolean, given: readonly tf.Tensor[]): CrossInputs {
  const left = [...given];
  const states = cross.readsStates !== false || !merged ? left.shift()! : cross.states;
  const ofLayers = cross.ofLayers?.map(() => ({ keys: left.shift()!, values: left.shift()! }));
  return { ...cross, states, ...(ofLayers && { ofLayers }) };
}

function attentionWith(
  side: SideConfig,
  batch: number,
  { rotations, attending, cross }: AttentionReads,
  onMade?: (name: AttentionName, layer: number, made: KeysAndValues) => void,
): LayerAttention {
  const tables = rotationTensors(rotations);
  const ofSourceKeys = cross?.rotations && rotationTensors(cross.rotations);
  const merged = cross !== undefined && side.block.crossAttention === 'merged';
  const all = [attending.full_attention, attending.sliding_attention, ...(cross?.attending ? [cross.attending] : [])];
  return {
    reads: {
      inputs: cross ? sourceTensors(cross, merged) : [],
      fixed: [...tables.tensors, ...(ofSourceKeys?.tensors ?? []), ...all.flatMap(({ tensors }) => tensors)],
      of(inputs, fixed) {
        const given = [...fixed];
        const own = given.splice(0, tables.tensors.length);
        const sourceKeys = ofSourceKeys && given.splice(0, ofSourceKeys.tensors.length);
        const [full, sliding, ofCross] = all.map((way) => way.with(given.splice(0, way.tensors.length)));
        return attentionWith(side, batch, {
          rotations: tables.with(own),
          attending: { full_attention: full, sliding_attention: sliding },
          cross: cross && {
            ...withSourceTensors(cross, merged, inputs),
            attending: ofCross,
            ...(sourceKeys && { rotations: ofSourceKeys.with(sourceKeys) }),
          },
        });
      },
    },
    self(layer, weights, rows, dropout) {
      const { keys, queries: forQueries } = rotations[side.layerTypes[layer]];
      const made = keysAndValuesOf(side, batch, weights, 'self_attn', rows, keys, { dropout });
      onMade?.('self_attn', layer, made);
      const parts = [made];
      if (merged && cross.ofLayers) parts.push(cross.ofLayers[layer]);
      if (merged && cross.readsStates !== false) {
        const { states, rotations: placed } = cross;
        const ofSource = mergedSource(side, batch, weights, states, dropout, placed?.[side.layerTypes[layer]].keys);
        onMade?.('cross_attn', layer, ofSource);
        parts.push(ofSource);
      }
      const joined = (of: keyof KeysAndValues): tf.Tensor =>
        parts.length === 1
          ? made[of]
          : tf.concat(
              parts.map((part) => part[of]),
              2,
            ); // [B, K, T+S, C]
      const read = { keys: joined('keys'), values: joined('values') };
      const queries = queriesOf(side, batch, weights, 'self_attn', rows, forQueries, dropout);
      return attending[side.layerTypes[layer]].rows(side, queries, read, dropout);
    },
    // No rotary positions, no window; soft cap and scale are the decoder's (paper, section 3; quirk 2).
    cross:
      cross?.attending &&
      ((layer, weights, rows, dropout) => {
        const made = keysAndValuesOf(side, batch, weights, 'cross_attn', cross.states, undefined, { dropout });
        onMade?.('cross_attn', layer, made);
        const queries = queriesOf(side, batch, weights, 'cross_attn', rows, undefined, dropout);
        return cross.attending!.rows(side, queries, made, dropout);
      }),
  };
}

/**
 * Keys and values of the source in merged attention: by self-attention's projections and its norm of keys, without
 * positions, from the encoder's states as they are (quirk 9 of the second set). `tables`: see `CrossInputs.rotations`.
 */
const mergedSource = (
  side: SideConfig,
  batch: number,
  weights: LayerWeights,
  states: tf.Tensor,
  dropout: Dropout | undefined,
  tables?: RopeTables,
): KeysAndValues => keysAndValuesOf(side, batch, weights, 'self_attn', states, tables, { dropout, reads: 'source' });
