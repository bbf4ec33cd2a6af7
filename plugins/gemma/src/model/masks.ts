/**
 * Attention masks: 0 where a key is seen, the lowest float32 elsewhere. Shapes as in layers.ts; [B, 1, 1, T, S].
 *
 * Positions need not start again in a segment: rotary positions and windows depend only on the distance of two tokens.
 */
import { tf } from '@graft/engine';
import type { EncoderAttention, EncoderWindow } from './config-types';

/** The number that the published implementation adds to a masked score (quirk 3). */
export const MASKED = -3.4028234663852886e38;

/** Up to this many numbers a mask is a constant of the trace; for 8,192 tokens it would take 268 MB. */
const LARGEST_CONSTANT = 1 << 20;

/** How far a query sees, in tokens: a key at j is seen by a query at i where -ahead <= i - j <= behind. */
export interface AttentionSpan {
  readonly ahead: number;
  readonly behind: number;
}

/** [1, 1, 1, length, length]. Above `largestConstant` it is computed in the step, where a compiler can fuse it. */
export function positionMask(
  length: number,
  { ahead, behind }: AttentionSpan,
  largestConstant: number = LARGEST_CONSTANT,
): tf.Tensor {
  if (length * length > largestConstant) {
    const positions = tf.range(0, length, 1);
    const distance = tf.sub(positions.reshape([length, 1]), positions.reshape([1, length]));
    const hidden = tf.logicalOr(tf.less(distance, -ahead), tf.greater(distance, Math.min(behind, length)));
    return tf.mul(hidden.toFloat(), MASKED).reshape([1, 1, 1, length, length]);
  }
  const values = new Float32Array(length * length);
  for (let i = 0; i < length; i++)
    for (let j = 0; j < length; j++) if (i - j < -ahead || i - j > behind) values[i * length + j] = MASKED;
  return tf.tensor(values, [1, 1, 1, length, length]);
}

/** [B, S] ones and zeros as [B, 1, 1, 1, S]. */
export function paddingMask(attentionMask: tf.Tensor): tf.Tensor {
  const [batch, keys] = attentionMask.shape;
  return tf.mul(tf.equal(attentionMask, 0).toFloat(), MASKED).reshape([batch, 1, 1, 1, keys]);
}

/** Queries see the keys of their own segment: ids [B, T] and [B, S] to [B, 1, 1, T, S]. */
export function segmentMask(queries: tf.Tensor, keys: tf.Tensor): tf.Tensor {
  const [batch, length] = queries.shape;
  const own = tf.reshape(queries, [batch, 1, 1, length!, 1]).toFloat();
  const other = tf.reshape(keys, [batch, 1, 1, 1, keys.shape[1]!]).toFloat();
  return tf.mul(tf.notEqual(own, other).toFloat(), MASKED);
}

/** The restrictions of attention within a batch: int32 [B, T] each. */
export interface RowMasks {
  /** 1 for a token, 0 for padding. */
  readonly attention?: tf.Tensor;
  /** Tokens see only those with the same number. */
  readonly segments?: tf.Tensor;
}

/** A row's own mask for its self-attention, broadcast to [B, 1, 1, T, S]; undefined if every key is seen. */
function rowMask({ attention, segments }: RowMasks): tf.Tensor | undefined {
  return combine(attention && paddingMask(attention), segments && segmentMask(segments, segments));
}

/** Cross-attention: no window, no order; a segment's tokens see the source of the same segment. */
export function crossMask(source: RowMasks, target: RowMasks): tf.Tensor | undefined {
  const segments = source.segments && target.segments && segmentMask(target.segments, source.segments);
  return combine(source.attention && paddingMask(source.attention), segments);
}

/** The lower of two masks: their sum would leave the range of float32. */
function combine(a: tf.Tensor | undefined, b: tf.Tensor | undefined): tf.Tensor | undefined {
  return a && b ? tf.minimum(a, b) : (a ?? b);
}

/** Masks by kind of layer; undefined if every key is seen. */
export interface SideMasks {
  full_attention: tf.Tensor | undefined;
  sliding_attention: tf.Tensor | undefined;
}

/**
 * An encoder's self-attention. Sliding layers see |i - j| < window (`strict`: the models' own implementation and the
 * published one up to 5.0) or |i - j| <= window (`inclusive`: the published one since its 5.x masks) (quirk 1).
 * `causal`: of these keys, those that do not come later; with the strict window these are the decoder's masks.
 */
export function encoderMasks(
  length: number,
  window: number,
  rule: EncoderWindow,
  masks: RowMasks = {},
  attention: EncoderAttention = 'bidirectional',
): SideMasks {
  const distance = rule === 'strict' ? window - 1 : window;
  if (attention === 'causal') return decoderMasks(length, distance + 1, masks);
  const padding = rowMask(masks);
  const near = distance < length - 1 ? positionMask(length, { ahead: distance, behind: distance }) : undefined;
  return { full_attention: padding, sliding_attention: combine(padding, near) };
}

/** Causal self-attention; sliding layers see the query itself and the window - 1 keys before it (quirk 2). */
export function decoderMasks(length: number, window: number, masks: RowMasks = {}): SideMasks {
  const padding = rowMask(masks);
  const causal = combine(padding, length > 1 ? positionMask(length, { ahead: 0, behind: Infinity }) : undefined);
  const sliding = window < length ? combine(padding, positionMask(length, { ahead: 0, behind: window - 1 })) : causal;
  return { full_attention: causal, sliding_attention: sliding };
}
