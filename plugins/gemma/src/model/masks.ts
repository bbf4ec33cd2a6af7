/**
 * Attention masks: 0 where a key is seen, the lowest float32 elsewhere. Shapes as in layers.ts; [B, 1, 1, T, S].
 *
 * Positions need not start again in a segment: rotary positions and windows depend only on the distance of two tokens.
 */
import { tf } from '@graft/engine';
import type { EncoderAttention, EncoderWindow, LayerType } from './config-types';

/** The number that the published implementation adds to a masked score (quirk 3). */
export const MASKED = -3.4028234663852886e38;

/** Up to this many numbers a mask is a constant of the trace; for 8,192 tokens it would take 268 MB. */
const LARGEST_CONSTANT = 1 << 20;

/** How far a query sees, in tokens: a key at j is seen by a query at i where -ahead <= i - j <= behind. */
export interface AttentionSpan {
  readonly ahead: number;
  readonly behind: number;
}

/** A part of the matrix of queries and keys. */
export interface Block {
  readonly firstQuery: number;
  readonly queries: number;
  readonly firstKey: number;
  readonly keys: number;
}

/** Which keys of a block are out of reach of its queries by their distance: bool [1, 1, 1, queries, keys]. */
export function outOfReach(
  { ahead, behind }: AttentionSpan,
  { firstQuery, queries, firstKey, keys }: Block,
): tf.Tensor {
  const distance = tf.sub(
    tf.range(firstQuery, firstQuery + queries, 1).reshape([queries, 1]),
    tf.range(firstKey, firstKey + keys, 1).reshape([1, keys]),
  );
  const farBehind = tf.greater(distance, Math.min(behind, firstQuery + queries));
  return tf.logicalOr(tf.less(distance, -ahead), farBehind).reshape([1, 1, 1, queries, keys]);
}

/** [1, 1, 1, length, length]. Above `largestConstant` it is computed in the step, where a compiler can fuse it. */
export function positionMask(
  length: number,
  span: AttentionSpan,
  largestConstant: number = LARGEST_CONSTANT,
): tf.Tensor {
  if (length * length > largestConstant) {
    const all = { firstQuery: 0, queries: length, firstKey: 0, keys: length };
    return tf.mul(outOfReach(span, all).toFloat(), MASKED);
  }
  const { ahead, behind } = span;
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
export function combine(a: tf.Tensor | undefined, b: tf.Tensor | undefined): tf.Tensor | undefined {
  return a && b ? tf.minimum(a, b) : (a ?? b);
}

/**
 * One mask for the keys of two sequences behind each other, of `lengths` keys, broadcast to each other; undefined if
 * every key is seen.
 */
export function joinMasks(
  [first, second]: readonly [tf.Tensor | undefined, tf.Tensor | undefined],
  lengths: readonly [number, number],
): tf.Tensor | undefined {
  if (!first && !second) return undefined;
  const given = [first, second].map((mask, i) => mask ?? tf.zeros([1, 1, 1, 1, lengths[i]]));
  const [batch, rows] = [0, 3].map((axis) => Math.max(...given.map(({ shape }) => shape[axis]!)));
  const widened = given.map((mask, i) =>
    mask.shape[0] === batch && mask.shape[3] === rows ? mask : tf.add(mask, tf.zeros([batch, 1, 1, rows, lengths[i]])),
  );
  return tf.concat(widened, 4);
}

/** How far queries see, by kind of layer; undefined: every distance. */
export type SideSpans = Readonly<Record<LayerType, AttentionSpan | undefined>>;

/** How far a sliding layer of an encoder sees, by the rule for its window. */
const ENCODER_SPANS: Readonly<Record<EncoderWindow, (window: number) => AttentionSpan>> = {
  strict: (window) => ({ ahead: window - 1, behind: window - 1 }),
  inclusive: (window) => ({ ahead: window, behind: window }),
  halved: (window) => ({ ahead: Math.floor(window / 2), behind: Math.floor((window + 1) / 2) - 1 }),
  symmetric: (window) => ({ ahead: Math.floor(window / 2), behind: Math.floor(window / 2) }),
};

/**
 * An encoder's self-attention. Sliding layers see |i - j| < window (`strict`: T5Gemma's own implementation and the
 * published one up to 5.0), |i - j| <= window (`inclusive`: the published one since its 5.x masks) (quirk 1), `window`
 * keys in all, one more ahead than behind if that is even (`halved`: T5Gemma 2), or |i - j| <= window / 2 (`symmetric`:
 * a bidirectional Gemma 3) (quirks 8 and 23 of the second set). `causal`: of these keys, those that do not come later;
 * with the strict window these are the decoder's spans.
 */
export function encoderSpans(
  length: number,
  window: number,
  rule: EncoderWindow,
  attention: EncoderAttention = 'bidirectional',
): SideSpans {
  const span = ENCODER_SPANS[rule](window);
  if (attention === 'causal') return decoderSpans(length, span.behind + 1);
  const near = Math.min(span.ahead, span.behind) < length - 1 ? span : undefined;
  return { full_attention: undefined, sliding_attention: near };
}

/** Causal self-attention; sliding layers see the query itself and the window - 1 keys before it (quirk 2). */
export function decoderSpans(length: number, window: number): SideSpans {
  const causal = length > 1 ? { ahead: 0, behind: Infinity } : undefined;
  return { full_attention: causal, sliding_attention: window < length ? { ahead: 0, behind: window - 1 } : causal };
}

/** Masks by kind of layer; undefined if every key is seen. */
export type SideMasks = Readonly<Record<LayerType, tf.Tensor | undefined>>;

/** The masks of a self-attention of `length` tokens. */
export function sideMasks(spans: SideSpans, length: number, masks: RowMasks = {}): SideMasks {
  return masksOfSpans(spans, masks, (span) => span && positionMask(length, span));
}

/** The masks of a self-attention whose kinds of layers see what `maskOf` makes of their spans. */
export function masksOfSpans<S>(
  { full_attention: whole, sliding_attention: near }: Readonly<Record<LayerType, S>>,
  masks: RowMasks,
  maskOf: (span: S) => tf.Tensor | undefined,
): SideMasks {
  const padding = rowMask(masks);
  const full = combine(padding, maskOf(whole));
  return { full_attention: full, sliding_attention: near === whole ? full : combine(padding, maskOf(near)) };
}

/**
 * Merged attention: the source's keys stand behind the `length` own ones, and are seen by layers of each kind (quirk 10
 * of the second set).
 */
export function mergedMasks(
  { full_attention: ofFull, sliding_attention: ofSliding }: SideMasks,
  length: number,
  source: { readonly mask?: tf.Tensor; readonly length: number },
): SideMasks {
  const joined = (own: tf.Tensor | undefined): tf.Tensor | undefined =>
    joinMasks([own, source.mask], [length, source.length]);
  const full = joined(ofFull);
  return { full_attention: full, sliding_attention: ofSliding === ofFull ? full : joined(ofSliding) };
}
