/**
 * The form in which a pair of one decoder-only model's layers computes what that model does on [source, target], and the
 * forms between that one and the pair's own (docs/models.md). In the first form the encoder looks back alone, with the
 * decoder's window, and layer l of the decoder reads the keys and values of the encoder's layer l, at positions in front
 * of its own, in one softmax with its own tokens. In its own form the encoder looks both ways, and every layer of the
 * decoder reads the encoder's last states (merged attention). Between them, at progress p in (0, 1), a key that only the
 * first form sees counts 1 - p times in the softmax, and one that only the last form sees, p times.
 *
 * Shapes as in layers.ts: B batch, T target length, S source length, K key/value heads, C head dimension.
 */
import { DataError, type BatchTensors, type Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import type { LayerType, SideConfig } from './config-types';
import { rope } from './layers';
import { combine, joinMasks, MASKED, outOfReach, positionMask, type AttentionSpan, type SideMasks } from './masks';
import { ropeTables, type RopeTables } from './rotary';
import type { SideNames } from './names';
import { layerKeysAndValues, rotationsOf, type KeysAndValues } from './stack';

/** The share of the way to the pair's own form, in [0, 1): a number, or one that a compiled step is given. */
export type Progress = number | tf.Scalar;

/** log(share) for a share of [0, 1], which is finite: 0 hides a key as a mask does. */
function logOf(share: Progress): tf.Tensor {
  if (typeof share === 'number') return tf.scalar(share > 0 ? Math.log(share) : MASKED);
  const isSome = tf.greater(share, 0);
  return tf.where(isSome, tf.log(tf.maximum(share, 1e-30)), tf.scalar(MASKED));
}

const rest = (progress: Progress): Progress =>
  typeof progress === 'number' ? 1 - progress : (tf.sub(1, progress) as tf.Scalar);

/**
 * The mask of `length` tokens that see `first` in the first form, and `own` in the pair's own: [1, 1, 1, length, length].
 * undefined: every key is seen.
 */
export function maskBetween(
  length: number,
  [first, own]: readonly [AttentionSpan | undefined, AttentionSpan | undefined],
  progress: Progress,
): tf.Tensor | undefined {
  if (progress === 0) return first && positionMask(length, first);
  if (!first && !own) return undefined;
  const all = { firstQuery: 0, queries: length, firstKey: 0, keys: length };
  const hiddenBy = (span: AttentionSpan | undefined): tf.Tensor =>
    span ? outOfReach(span, all).toFloat() : tf.zeros([1, 1, 1, length, length]);
  const [a, b] = [hiddenBy(first), hiddenBy(own)];
  return tf.addN([
    tf.mul(tf.mul(a, b), MASKED),
    tf.mul(tf.mul(tf.sub(1, a), b), logOf(rest(progress))),
    tf.mul(tf.mul(a, tf.sub(1, b)), logOf(progress)),
  ]);
}

/**
 * How many tokens each token of a source stands in front of the target's first one: float32 [B, S]. Padding is not
 * counted. `mask` int32 [B, S]; undefined: there is no padding.
 */
export function distancesOf(batch: number, length: number, mask?: tf.Tensor): tf.Tensor {
  if (mask) {
    const counts = mask.toFloat();
    return tf.sub(tf.sum(counts, 1, true), tf.cumsum(counts, 1, true));
  }
  return tf.add(tf.zeros([batch, length]), tf.range(length, 0, -1));
}

/** The same from position 0 of the target's row, which may begin with padding: `mask` int32 [B, T]. */
export function behindPadding(distances: tf.Tensor, mask?: tf.Tensor): tf.Tensor {
  if (!mask) return distances;
  const isInFront = tf.equal(tf.cumsum(mask.toFloat(), 1), 0).toFloat();
  return tf.sub(distances, tf.sum(isInFront, 1, true));
}

/** What an encoder makes of a source. */
export interface EncodedLayers {
  /** [B, S, E] */
  readonly states: tf.Tensor3D;
  /** In the function-preserving forms: keys and values of its layers, [B, K, S, C], without positions. */
  readonly layers?: readonly KeysAndValues[];
  /** Likewise: see `distancesOf`. */
  readonly distances?: tf.Tensor;
}

/**
 * Keys and values of the encoder's layers from the rows that go into them, and how far each token of ids [B, S] is before
 * the target. Throws DataError for packed rows.
 */
export function layersFrom(
  parameters: Parameters,
  [encoder, names]: readonly [SideConfig, SideNames],
  inputs: readonly tf.Tensor[],
  { shape: [batch, length] }: tf.Tensor,
  fields: BatchTensors,
): { readonly layers: readonly KeysAndValues[]; readonly distances: tf.Tensor } {
  if (fields.segment_ids || fields.decoder_segment_ids) {
    throw new DataError('A model in a function-preserving form reads one sequence in a row, but the rows are packed.', {
      code: 'gemma.preserving-segments',
      exitCode: 2,
      hint: 'Leave `pack` out of the dataset, at least for the steps in which the form changes.',
    });
  }
  return {
    layers: inputs.map((rows, layer) => layerKeysAndValues(parameters, encoder, names, layer, batch, rows)),
    distances: distancesOf(batch, length!, fields.attention_mask),
  };
}

/** What a decoder reads of its source in these forms. */
export interface PreservedSource {
  /** Keys and values of each layer of the encoder, [B, K, S, C]; keys are rotated to their places before the target. */
  readonly ofLayers: readonly KeysAndValues[];
  /** By `behindPadding`. */
  readonly distances: tf.Tensor;
  readonly progress: Progress;
}

/**
 * Rotates the keys of the encoder's layers, which have no positions yet, to their places before the target. `targets`:
 * the longest target, in tokens.
 */
export function placedBefore(
  side: SideConfig,
  layers: readonly KeysAndValues[],
  distances: tf.Tensor,
  targets: number,
): KeysAndValues[] {
  const [batch, length] = distances.shape as [number, number];
  // Positions are -length..targets: padding in front of a target moves a source behind its first position.
  const at = tf.cast(tf.sub(length, distances), 'int32');
  const rotations = rotationsOf(side, (positions) => {
    const { cos, sin } = ropeTables(length + targets + 1, side.headDim, positions, 1, -length);
    const gathered = (table: tf.Tensor): tf.Tensor =>
      tf.reshape(tf.gather(table, at as tf.Tensor2D), [batch, 1, length, side.headDim]);
    const keys: RopeTables = { cos: gathered(cos), sin: gathered(sin) };
    return { keys, queries: keys };
  });
  return layers.map(({ keys, values }, layer) => ({
    keys: rope(keys, rotations[side.layerTypes[layer]].keys),
    values,
  }));
}

/** A mask of the log-weight for `length` keys: [1, 1, 1, 1, length]. */
const weightMask = (share: Progress, length: number): tf.Tensor => tf.add(tf.zeros([1, 1, 1, 1, length]), logOf(share));

/**
 * Which keys of the encoder's layers are seen from target positions [T]: those in the window of sliding layers, with the
 * weight of this form. `mask` [B, 1, 1, 1, S]: of the source's padding.
 */
export function layersMask(
  { slidingWindow }: SideConfig,
  type: LayerType,
  { distances, progress }: Pick<PreservedSource, 'distances' | 'progress'>,
  positions: tf.Tensor,
  mask: tf.Tensor | undefined,
): tf.Tensor | undefined {
  const [batch, length] = distances.shape as [number, number];
  const weight = progress === 0 ? undefined : weightMask(rest(progress), length);
  const weighted = combine(mask, weight);
  if (type === 'full_attention') return weighted;
  const far = tf.greaterEqual(
    tf.add(tf.reshape(distances, [batch, 1, 1, 1, length]), tf.reshape(positions.toFloat(), [1, 1, 1, -1, 1])),
    slidingWindow,
  );
  return combine(weighted, tf.mul(far.toFloat(), MASKED));
}

/** The mask of the encoder's last states, of which the first form reads none. */
export const statesMask = (progress: Progress, length: number, mask: tf.Tensor | undefined): tf.Tensor =>
  combine(mask, weightMask(progress, length))!;

/** The masks of one softmax over `length` own tokens, the keys of the encoder's layers, and its last states. */
export function preservedMasks(
  side: SideConfig,
  own: SideMasks,
  length: number,
  source: Pick<PreservedSource, 'distances' | 'progress'>,
  mask: tf.Tensor | undefined,
): SideMasks {
  const keys = source.distances.shape[1]!;
  const positions = tf.range(0, length, 1);
  const of = (type: LayerType): tf.Tensor | undefined => {
    const first = joinMasks([own[type], layersMask(side, type, source, positions, mask)], [length, keys]);
    if (source.progress === 0) return first;
    return joinMasks([first, statesMask(source.progress, keys, mask)], [length + keys, keys]);
  };
  return { full_attention: of('full_attention'), sliding_attention: of('sliding_attention') };
}
