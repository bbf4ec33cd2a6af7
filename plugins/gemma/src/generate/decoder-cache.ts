/**
 * The decoder's own keys and values while it generates, in two parts: the newest R slots, which every token rewrites,
 * and the long part before them, which is only read. A tensor cannot be changed in place, so that writing one slot of a
 * long cache would copy all of it for each token; therefore it is copied once in R tokens.
 *
 * The long part of a sliding layer is a ring with the size of its window. Shapes: B batch, K key/value heads,
 * C head dimension, R recent slots, M slots of a long part, P prompt length.
 */
import type { DecodingCache } from '@graft/core';
import { tf } from '@graft/engine';
import type { LayerType, SideConfig } from '../model/config-types';
import { padSlots, transposedKeys, transposeKeys, type StoredPart } from '../model/layers';
import { MASKED } from '../model/masks';
import type { KeysAndValues } from '../model/stack';

/** R, the slots of the recent part: tokens between two copies of the long one. */
export const RECENT_TOKENS = 16;

type Tensors = Readonly<Record<string, tf.Tensor>>;

/**
 * By name: `keys.<layer>` and `values.<layer>` [B, K, M or R, C]; in a long part, if this is faster to read,
 * `transposedKeys.<layer>` [B, K, C, M]; with padded prompts `mask.<type of layer>` [B, 1, 1, 1, M or R]. Position p is
 * in slot p mod M of a long part, in slot p mod R of a recent one; slots that no token has reached are zero.
 */
export type Cache = DecodingCache;

const keysName = (layer: number): string => `keys.${layer}`;
const TRANSPOSED = 'transposedKeys';
const transposedKeysName = (layer: number): string => `${TRANSPOSED}.${layer}`;
const valuesName = (layer: number): string => `values.${layer}`;
const maskName = (type: LayerType): string => `mask.${type}`;

/** The axis of the slots in keys and values, and in masks. */
const axisOf = (name: string): number => (name.startsWith('mask.') ? 4 : name.startsWith(TRANSPOSED) ? 3 : 2);

/** The first position of the block of R that contains `position`. */
const blockStart = (position: number): number => RECENT_TOKENS * Math.floor(position / RECENT_TOKENS);

/** M for positions below `capacity`: a multiple of R. */
function longSlots(type: LayerType, capacity: number, window: number): number {
  const all = Math.max(RECENT_TOKENS, blockStart(capacity - 1));
  // A token sees the window - 1 before it; when it begins a block, all of them are in the long part.
  const near = Math.max(RECENT_TOKENS, RECENT_TOKENS * Math.ceil((window - 1) / RECENT_TOKENS));
  return type === 'sliding_attention' ? Math.min(all, near) : all;
}

/** Of keys and values in the cache, whatever the precision of products. */
export const FLOAT_BYTES = 4;

/** Slots of both parts of the caches of all layers together, for positions below `capacity`. A step reads all of them. */
export function cacheSlots({ layerTypes, slidingWindow }: SideConfig, capacity: number): number {
  return layerTypes.reduce((sum, type) => sum + longSlots(type, capacity, slidingWindow) + RECENT_TOKENS, 0);
}

/** Bytes of the keys and values of `rows` sequences in that many slots. */
export const slotBytes = ({ keyValueHeads, headDim }: SideConfig, rows: number, slots: number): number =>
  2 * FLOAT_BYTES * rows * slots * keyValueHeads * headDim;

/** Bytes of the keys and values of `rows` sequences of at most `capacity` positions. */
export const cacheBytes = (side: SideConfig, rows: number, capacity: number): number =>
  slotBytes(side, rows, cacheSlots(side, capacity));

/** A sequence's two parts, cut along `axis`. */
function divide(sequence: tf.Tensor, axis: number, slots: number): { long: tf.Tensor; recent: tf.Tensor } {
  const length = sequence.shape[axis]!;
  const cut = (from: number, to: number): tf.Tensor =>
    tf.slice(
      sequence,
      sequence.shape.map((_, i) => (i === axis ? from : 0)),
      sequence.shape.map((size, i) => (i === axis ? to - from : size)),
    );
  const padded = (from: number, to: number, wanted: number): tf.Tensor => {
    if (from === to) return tf.zeros(sequence.shape.map((size, i) => (i === axis ? wanted : size)));
    return padSlots(cut(from, to), axis, wanted);
  };
  const start = blockStart(length);
  const recent = padded(start, length, RECENT_TOKENS);
  if (start <= slots) return { long: padded(0, start, slots), recent };
  // The ring begins in the middle of the kept slots.
  const turn = start % slots;
  const kept = cut(start - slots, start);
  if (turn === 0) return { long: kept, recent };
  return { long: tf.concat([cut(start - turn, start), cut(start - slots, start - turn)], axis), recent };
}

/** Fills a cache with a prompt. Traceable. */
export class CacheFiller {
  private readonly long: Record<string, tf.Tensor> = {};
  private readonly recent: Record<string, tf.Tensor> = {};

  constructor(
    private readonly side: SideConfig,
    private readonly capacity: number,
  ) {}

  /** A layer's keys and values [B, K, P, C]. */
  add(layer: number, { keys, values }: KeysAndValues): void {
    const type = this.side.layerTypes[layer];
    const longKeys = this.keepRecent(keysName(layer), keys, type);
    // M is a multiple of R and so of SLOT_MULTIPLE: no padding is needed.
    const transposed = transposedKeys(this.side, longKeys);
    this.long[transposed ? transposedKeysName(layer) : keysName(layer)] = transposed ?? longKeys;
    this.long[valuesName(layer)] = this.keepRecent(valuesName(layer), values, type);
  }

  /** The prompt's padding [B, 1, 1, 1, P]; positions after it are not padded. */
  addMask(mask: tf.Tensor): void {
    for (const type of new Set(this.side.layerTypes))
      this.long[maskName(type)] = this.keepRecent(maskName(type), mask, type);
  }

  finish(): Cache {
    return { long: this.long, recent: this.recent };
  }

  /** Keeps a sequence's recent part; returns the long one. */
  private keepRecent(name: string, sequence: tf.Tensor, type: LayerType): tf.Tensor {
    const slots = longSlots(type, this.capacity, this.side.slidingWindow);
    const { long, recent } = divide(sequence, axisOf(name), slots);
    this.recent[name] = recent;
    return long;
  }
}

/**
 * The block and the ring's beginning as float32 scalars; integers below 2^24 and their quotients by R and M are exact.
 */
function blockAt(position: tf.Tensor, slots: number): { start: tf.Tensor; turn: tf.Tensor } {
  const start = tf.mul(tf.floor(tf.div(position.toFloat(), RECENT_TOKENS)), RECENT_TOKENS);
  // R is at least 1/1000 of M, so a quotient just below an integer is not rounded up to it.
  const turn = tf.sub(start, tf.mul(tf.floor(tf.div(start, slots)), slots));
  return { start, turn };
}

/**
 * A cache in the step that processes one token at `position` (int32 scalar). Traceable; one trace works for every
 * position.
 */
export class CacheStep {
  private readonly updated: Record<string, tf.Tensor>;
  private readonly slotMask: tf.Tensor;
  private readonly masks = new Map<LayerType, readonly [tf.Tensor, tf.Tensor]>();

  constructor(
    private readonly side: SideConfig,
    private readonly cache: Cache,
    private readonly position: tf.Tensor,
  ) {
    this.updated = { ...cache.recent };
    const { start } = blockAt(position, RECENT_TOKENS);
    const slots = tf.range(0, RECENT_TOKENS, 1);
    const here = tf.equal(slots, tf.sub(position.toFloat(), start));
    this.slotMask = tf.reshape(here.toFloat(), [1, 1, RECENT_TOKENS, 1]);
  }

  /** Writes the token's own keys and values [B, K, 1, C]; returns the parts that its queries attend to. */
  append(layer: number, made: KeysAndValues): readonly StoredPart[] {
    // The slot is zero, so that adding is writing.
    const write = (name: string, value: tf.Tensor): tf.Tensor =>
      (this.updated[name] = tf.add(this.cache.recent[name], tf.mul(value, this.slotMask)));
    const { long } = this.cache;
    const [keysHere, valuesHere] = [keysName(layer), valuesName(layer)];
    const transposed = long[transposedKeysName(layer)] as tf.Tensor | undefined;
    const values = long[valuesHere];
    const [longMask, recentMask] = this.masksOf(this.side.layerTypes[layer], values.shape[2]!);
    return [
      { keys: transposed ?? long[keysHere], transposed: transposed !== undefined, values, mask: longMask },
      { keys: write(keysHere, made.keys), values: write(valuesHere, made.values), mask: recentMask },
    ];
  }

  /** The recent part with the new slot filled. */
  get recent(): Tensors {
    return this.updated;
  }

  private masksOf(type: LayerType, slots: number): readonly [tf.Tensor, tf.Tensor] {
    const known = this.masks.get(type);
    if (known) return known;
    const { start, turn } = blockAt(this.position, slots);
    const position = this.position.toFloat();
    const tooEarly = (at: tf.Tensor): tf.Tensor => tf.lessEqual(at, tf.sub(position, this.side.slidingWindow));
    const hide = (hidden: tf.Tensor, padding: tf.Tensor | undefined): tf.Tensor => {
      const mask = tf.reshape(tf.mul(hidden.toFloat(), MASKED), [1, 1, 1, 1, -1]);
      return padding ? tf.minimum(mask, padding) : mask;
    };
    // Slots before the ring's beginning have this turn's positions, those after it the last turn's.
    const indices = tf.range(0, slots, 1);
    const lastTurn = tf.mul(tf.greaterEqual(indices, turn).toFloat(), slots);
    const longAt = tf.sub(tf.add(indices, tf.sub(start, turn)), lastTurn);
    const recentAt = tf.add(tf.range(0, RECENT_TOKENS, 1), start);
    const slides = type === 'sliding_attention';
    const unreached = tf.less(longAt, 0);
    const later = tf.greater(recentAt, position);
    const made = [
      hide(slides ? tf.logicalOr(unreached, tooEarly(longAt)) : unreached, this.cache.long[maskName(type)]),
      hide(slides ? tf.logicalOr(later, tooEarly(recentAt)) : later, this.cache.recent[maskName(type)]),
    ] as const;
    this.masks.set(type, made);
    return made;
  }
}

/** A long part with the full recent one merged in. Traceable. */
function mergeRecent(long: tf.Tensor, recent: tf.Tensor, axis: number, position: tf.Tensor): tf.Tensor {
  const slots = long.shape[axis]!;
  const blocks = slots / RECENT_TOKENS;
  const { turn } = blockAt(position, slots);
  const inBlocks = [...long.shape.slice(0, axis), blocks, RECENT_TOKENS, ...long.shape.slice(axis + 1)];
  const here = tf.equal(tf.mul(tf.range(0, blocks, 1), RECENT_TOKENS), turn);
  const spread = tf.reshape(
    here,
    inBlocks.map((_, i) => (i === axis ? blocks : 1)),
  );
  return tf.reshape(tf.where(spread, tf.expandDims(recent, axis), tf.reshape(long, inBlocks)), long.shape);
}

/** Merges the full recent parts into the long ones after `position`, int32 scalar. Traceable. */
export function foldCache({ long, recent }: Cache, position: tf.Tensor): Cache {
  return {
    long: Object.fromEntries(
      Object.entries(long).map(([name, tensor]) => {
        const own = name.startsWith(TRANSPOSED)
          ? transposeKeys(recent[name.replace(TRANSPOSED, 'keys')])
          : recent[name];
        return [name, mergeRecent(tensor, own, axisOf(name), position)];
      }),
    ),
    recent: Object.fromEntries(Object.entries(recent).map(([name, tensor]) => [name, tf.zerosLike(tensor)])),
  };
}
