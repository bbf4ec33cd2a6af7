/**
 * The arithmetic of a block. Shapes: B batch, T query positions, S key positions, N = B*T rows, D hidden width,
 * H query heads, K key/value heads, G = H / K query heads per key head, C head dimension, F feed-forward width,
 * V vocabulary.
 *
 * Normalisation, soft-capped attention, rotation and the gated feed-forward have hand-written gradients: automatic ones
 * store and read several times as many tensors of the sizes [B, K, G, T, S] and [N, F], and passes over memory are
 * the largest cost of a step on a CPU besides its matrix products.
 */
import { isPacked, widened } from '@graft/core/internal';
import { SLOT_MULTIPLE, prefersTransposedKeys, tf, withGradient } from '@graft/engine';
import type { BlockDescription } from './block';
import type { SideConfig } from './config-types';
import { attentionMask, type Dropout } from './dropout';
import { MASKED } from './masks';
import type { RopeTables } from './rotary';

/**
 * Rows [N, in] times a stored projection [out, in], plus a bias [out] if there is one: [N, out]. Weights may be in
 * bfloat16, packed into int32 (see `loadModel`); such a model has no gradients.
 */
export function linear(rows: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const product = tf.matMul(rows as tf.Tensor2D, widened(weight) as tf.Tensor2D, false, true);
  return bias ? tf.add(product, bias) : product;
}

/** RMS normalisation of rows [N, D] with gain 1 + weight [D] (quirk 7), or with gain weight; float32. */
export function rmsNorm(
  rows: tf.Tensor,
  weight: tf.Tensor,
  epsilon: number,
  gainForm: BlockDescription['normGain'] = 'one-plus-weight',
): tf.Tensor {
  return withGradient<[tf.Tensor, tf.Tensor]>((save, x, w) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), epsilon)); // [N, 1]
    const normed = tf.mul(x, inverse);
    const gain = gainForm === 'weight' ? w : tf.add(w, 1);
    save([normed, inverse, gain]);
    return {
      value: tf.mul(normed, gain),
      gradients: (dy, [n, r, g]) => {
        const dn = tf.mul(dy, g);
        const dx = tf.mul(r, tf.sub(dn, tf.mul(n, tf.mean(tf.mul(dn, n), 1, true))));
        return [dx, tf.sum(tf.mul(dy, n), 0)];
      },
    };
  })(rows, weight);
}

const GELU_ROOT = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/**
 * gelu(gate) * up, with the tanh approximation of gelu; [N, F] each. Written with the sigmoid, which is the same thing
 * in fewer passes: gelu(g) = g * sigmoid(g * q), q = 2 ROOT (1 + CUBIC g^2).
 */
export function gatedGelu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return withGradient<[tf.Tensor, tf.Tensor]>((save, g, u) => {
    const q = tf.add(tf.mul(tf.square(g), 2 * GELU_ROOT * GELU_CUBIC), 2 * GELU_ROOT);
    const share = tf.sigmoid(tf.mul(g, q));
    const gelu = tf.mul(g, share);
    save([u, q, share, gelu]);
    return {
      value: tf.mul(gelu, u),
      gradients: (dy, [us, qs, shares, gelus]) => {
        // d gelu / dg = share + gelu (1 - share) d(g q)/dg, and d(g q)/dg = 3 q - 4 ROOT
        const inner = tf.sub(tf.mul(qs, 3), 4 * GELU_ROOT);
        const slope = tf.add(shares, tf.mul(tf.mul(gelus, tf.sub(1, shares)), inner));
        return [tf.mul(tf.mul(dy, us), slope), tf.mul(dy, gelus)];
      },
    };
  })(gate, up);
}

function swapHalves(x: tf.Tensor): tf.Tensor {
  const [a, b] = tf.split(x, 2, -1);
  return tf.concat([b, a], -1);
}

/** silu(gate) * up, where silu(g) = g * sigmoid(g); [N, F] each. */
export function gatedSilu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return withGradient<[tf.Tensor, tf.Tensor]>((save, g, u) => {
    const share = tf.sigmoid(g);
    const silu = tf.mul(g, share);
    save([u, share, silu]);
    return {
      value: tf.mul(silu, u),
      gradients: (dy, [us, shares, silus]) => {
        // d silu / dg = share + silu (1 - share)
        const slope = tf.add(shares, tf.mul(silus, tf.sub(1, shares)));
        return [tf.mul(tf.mul(dy, us), slope), tf.mul(dy, silus)];
      },
    };
  })(gate, up);
}

/** Rotary positions on x [B, T, heads, C], half-split: the first half of C rotates with the second. */
export function rope(x: tf.Tensor, tables: RopeTables): tf.Tensor {
  return withGradient<[tf.Tensor]>((save, input) => {
    save([tables.cos, tables.sin]);
    return {
      value: tf.add(tf.mul(input, tables.cos), tf.mul(swapHalves(input), tables.sin)),
      // A rotation's gradient is the rotation back.
      gradients: (dy, [cos, sin]) => [tf.sub(tf.mul(dy, cos), tf.mul(swapHalves(dy), sin))],
    };
  })(x);
}

/** Rows [B*T, heads*C] as [B, T, heads, C]. */
export function splitHeads(rows: tf.Tensor, batch: number, heads: number): tf.Tensor {
  const [count, width] = rows.shape;
  return tf.reshape(rows, [batch, count / batch, heads, width! / heads]);
}

/** [B, T, heads, C] to [B, heads, T, C]. */
export function toHeadsFirst(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 2, 1, 3]);
}

/** The factor of queries before the product with the keys; it includes the soft cap's division. */
export function queryScale(side: SideConfig): number {
  return side.queryPreAttentionScalar ** -0.5 / (side.attentionSoftCap ?? 1);
}

/** Query heads [B, T, H, C] as queries of the key head that they share, [B, K, G*T, C]. */
function groupQueries({ keyValueHeads, heads, headDim }: SideConfig, q: tf.Tensor): tf.Tensor {
  const [batch, queries] = q.shape;
  const group = heads / keyValueHeads;
  const grouped = tf.transpose(tf.reshape(q, [batch, queries, keyValueHeads, group, headDim]), [0, 2, 3, 1, 4]); // [B, K, G, T, C]
  return tf.reshape(grouped, [batch, keyValueHeads, group * queries, headDim]);
}

/** What came of `groupQueries`, [B, K, G*T, C], in rows again, [B*T, H*C]. */
function ungroupQueries({ keyValueHeads, heads, headDim }: SideConfig, mixed: tf.Tensor, queries: number): tf.Tensor {
  const [batch] = mixed.shape;
  const parts = tf.reshape(mixed, [batch, keyValueHeads, heads / keyValueHeads, queries, headDim]); // [B, K, G, T, C]
  const ordered = tf.transpose(parts, [0, 3, 1, 2, 4]); // [B, T, K, G, C]
  return tf.reshape(ordered, [batch * queries, heads * headDim]);
}

/**
 * Attention itself. q [B, T, H, C], multiplied by `queryScale`; keys and values heads first, [B, K, S, C]; all already
 * rotated if they should be. mask, broadcast to [B, K, G, T, S], is 0 where a key is seen and the lowest float
 * elsewhere, so that a row without a visible key becomes uniform (quirk 3). Returns rows [B*T, H*C]. `dropout` drops
 * probabilities.
 *
 * Keys are never repeated: query heads that share a key head are more queries of it.
 */
export function attend(
  side: SideConfig,
  q: tf.Tensor,
  keys: tf.Tensor,
  values: tf.Tensor,
  mask: tf.Tensor | undefined,
  dropout?: Dropout,
): tf.Tensor {
  const [batch, queries] = q.shape;
  const { keyValueHeads, heads, headDim, attentionSoftCap: cap } = side;
  const group = heads / keyValueHeads;
  const dropped = attentionMask(dropout, [batch, keyValueHeads, group * queries, keys.shape[2]!]); // [B, K, G*T, S]
  if (group === 1) {
    const rows = [batch, keyValueHeads, 1, queries] as const;
    const mixed = mix(cap, toHeadsFirst(q), keys, values, { mask, dropped, rows }); // [B, K, T, C]
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * queries, heads * headDim]);
  }
  const flat = groupQueries(side, q); // [B, K, G*T, C]
  const mixed = mix(cap, flat, keys, values, { mask, dropped, rows: [batch, keyValueHeads, group, queries] });
  return ungroupQueries(side, mixed, queries);
}

/** Keys and values that were computed before, for decoding. */
export interface StoredPart {
  /** [B, K, S, C], or `transposed` [B, K, C, S]. */
  readonly keys: tf.Tensor;
  readonly transposed?: boolean;
  /** [B, K, S, C] */
  readonly values: tf.Tensor;
  /** Like the mask of `attend`. If it has fewer slots than the values, the slots after it are zero and do not count. */
  readonly mask: tf.Tensor | undefined;
}

/**
 * Keys [B, K, S, C] transposed, [B, K, C, S], where one token's attention reads them faster so; undefined elsewhere. S is filled
 * up with zeros to a multiple of SLOT_MULTIPLE.
 */
export function transposedKeys({ heads, keyValueHeads, headDim }: SideConfig, keys: tf.Tensor): tf.Tensor | undefined {
  const [batch, , slots] = keys.shape as [number, number, number, number];
  const filled = SLOT_MULTIPLE * Math.ceil(slots / SLOT_MULTIPLE);
  if (!prefersTransposedKeys(batch * keyValueHeads, heads / keyValueHeads, filled, headDim)) return undefined;
  return padSlots(transposeKeys(keys), 3, filled);
}

/** [B, K, S, C] to [B, K, C, S] */
export function transposeKeys(keys: tf.Tensor): tf.Tensor {
  return tf.transpose(keys, [0, 1, 3, 2]);
}

/** Appends `value` along `axis`, up to this many slots. */
export function padSlots(x: tf.Tensor, axis: number, slots: number, value = 0): tf.Tensor {
  const behind = slots - x.shape[axis]!;
  const paddings = x.shape.map((_, i): [number, number] => [0, i === axis ? behind : 0]);
  return behind === 0 ? x : tf.pad(x, paddings, value);
}

/** Slots of a part that count. */
const slotsOf = ({ values, mask }: StoredPart): number => mask?.shape[4] ?? values.shape[2]!;

/**
 * Like `attend`, over keys and values in one or several parts, without joining them: for decoding, without gradients.
 */
export function attendParts(side: SideConfig, q: tf.Tensor, parts: readonly StoredPart[]): tf.Tensor {
  const [batch, queries] = q.shape;
  const { keyValueHeads, heads, attentionSoftCap: cap } = side;
  const group = heads / keyValueHeads;
  const flat = groupQueries(side, q); // [B, K, G*T, C]
  const scores = parts.map(({ keys, transposed = false, values, mask }) => {
    const raw = tf.matMul(flat as tf.Tensor4D, keys as tf.Tensor4D, false, !transposed); // [B, K, G*T, S]
    const capped = cap === null ? raw : tf.mul(tf.tanh(raw), cap);
    if (!mask) return capped;
    const filled = padSlots(mask, 4, values.shape[2]!, MASKED);
    const masked = tf.add(tf.reshape(capped, [batch, keyValueHeads, group, queries, -1]), filled);
    return tf.reshape(masked, [batch, keyValueHeads, group * queries, -1]);
  });
  const weights = exponentials(
    scores,
    cap,
    parts.some(({ mask }) => mask !== undefined),
  );
  const sums = tf.addN(parts.map(({ values }, i) => tf.matMul(weights[i] as tf.Tensor4D, values as tf.Tensor4D))); // [B, K, G*T, C]
  const rowSums = parts.map((part, i) => {
    const [all, slots] = [weights[i], slotsOf(part)];
    const counted =
      slots === all.shape[3] ? all : tf.slice(all, [0, 0, 0, 0], [batch, keyValueHeads, group * queries, slots]);
    return tf.sum(counted, -1, true);
  });
  const mixed = tf.div(sums, tf.addN(rowSums));
  return ungroupQueries(side, mixed, queries);
}

/** The largest soft cap under which float32 holds every sum of exponentials of scores, and its reciprocal. */
const LARGEST_BOUND = 50;

/**
 * Replaces a masked score under such a cap. Next to the lowest unmasked score, -50, its exponential is 1e-11, less than
 * a rounding error next to usual ones; a fully masked row can still be divided by its sum and becomes uniform.
 */
const LEAST_SCORE = -75;

/**
 * What a softmax over scores in parts, [.., S of the part] each, divides by its sum. For bounded scores it needs no
 * search for the largest first, which saves a pass over them; for `masked` ones too.
 */
function exponentials(scores: readonly tf.Tensor[], cap: number | null, masked = true): tf.Tensor[] {
  if (cap !== null && cap <= LARGEST_BOUND)
    return scores.map((part) => tf.exp(masked ? tf.maximum(part, LEAST_SCORE) : part));
  const largest = scores.map((part) => tf.max(part, -1, true)).reduce((a, b) => tf.maximum(a, b)); // [.., 1]
  return scores.map((part) => tf.exp(tf.sub(part, largest)));
}

interface Mixing {
  readonly mask: tf.Tensor | undefined;
  /** The factors of the probabilities, [B, K, G*T, S]. */
  readonly dropped: tf.Tensor | undefined;
  /** [B, K, G, T] */
  readonly rows: readonly [number, number, number, number];
}

/**
 * (softmax(cap * tanh(q keys^T) + mask) * dropped) values, for q [B, K, G*T, C] that is already divided by the cap.
 * Without a cap the tanh is left out.
 *
 * The row sums that a softmax's gradient subtracts, sum(dp * p), equal sum(dy * y) over the head dimension, which is
 * several times shorter than S: with dropped probabilities too, for both sums have the factors of `dropped` once.
 */
function mix(
  cap: number | null,
  q: tf.Tensor,
  keys: tf.Tensor,
  values: tf.Tensor,
  { mask, dropped, rows }: Mixing,
): tf.Tensor {
  const sources = keys.shape[2]!;
  const flatShape = [rows[0], rows[1], rows[2] * rows[3], sources];
  const product = (a: tf.Tensor, b: tf.Tensor, transposeA = false, transposeB = false): tf.Tensor =>
    tf.matMul(a as tf.Tensor4D, b as tf.Tensor4D, transposeA, transposeB);
  const keptOf = (e: tf.Tensor, factors: tf.Tensor | undefined): tf.Tensor => (factors ? tf.mul(e, factors) : e);
  return withGradient<[tf.Tensor, tf.Tensor, tf.Tensor]>((save, qs, ks, vs) => {
    const scores = product(qs, ks, false, true); // [B, K, G*T, S]
    const t = cap === null ? undefined : tf.tanh(scores);
    const capped = t ? tf.mul(t, cap!) : scores;
    const masked = mask ? tf.reshape(tf.add(tf.reshape(capped, [...rows, sources]), mask), flatShape) : capped;
    const [e] = exponentials([masked], cap, mask !== undefined);
    const share = tf.reciprocal(tf.sum(e, -1, true)); // [B, K, G*T, 1]; the softmax is e * share
    const y = tf.mul(product(keptOf(e, dropped), vs), share); // [B, K, G*T, C]
    save([qs, ks, vs, e, share, y, ...(t ? [t] : []), ...(dropped ? [dropped] : [])]);
    return {
      value: y,
      gradients: (dy, [q_, k_, v_, e_, share_, y_, ...others]) => {
        const t_ = t && others.shift();
        const dropped_ = dropped && others.shift();
        const shared = tf.mul(dy, share_);
        const de = keptOf(product(shared, v_, false, true), dropped_); // [B, K, G*T, S]
        const ds = tf.mul(e_, tf.sub(de, tf.sum(tf.mul(shared, y_), -1, true)));
        const dv = product(keptOf(e_, dropped_), shared, true);
        if (!t_) return [product(ds, k_), product(ds, q_, true), dv];
        const dt = tf.mul(ds, tf.sub(1, tf.square(t_)));
        // The cap's factor is applied to the small products instead of [.., S].
        return [tf.mul(product(dt, k_), cap!), tf.mul(product(dt, q_, true), cap!), dv];
      },
    };
  })(q, keys, values);
}

/**
 * Logits [N, V] from final states [N, D] and the embedding table [V, D]: cap * tanh(states table^T / cap); null: no
 * cap. With a vocabulary of 32,000 or more every pass over the logits costs, so the cap's factors stay on the states:
 * in the gradient they cancel.
 */
export function softCappedLogits(states: tf.Tensor, table: tf.Tensor, cap: number | null): tf.Tensor {
  if (cap === null) return linear(states, table);
  if (isPacked(table)) return tf.mul(tf.tanh(linear(tf.mul(states, 1 / cap), table)), cap);
  return withGradient<[tf.Tensor, tf.Tensor]>((save, x, w) => {
    const t = tf.tanh(linear(tf.mul(x, 1 / cap), w)); // [N, V]
    save([x, w, t]);
    return {
      value: tf.mul(t, cap),
      gradients: (dy, [xs, ws, ts]) => {
        const raw = tf.mul(dy, tf.sub(1, tf.square(ts))); // [N, V]
        return [
          tf.matMul(raw as tf.Tensor2D, ws as tf.Tensor2D),
          tf.matMul(raw as tf.Tensor2D, xs as tf.Tensor2D, true),
        ];
      },
    };
  })(states, table);
}
