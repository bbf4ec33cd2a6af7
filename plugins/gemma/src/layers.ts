/**
 * The arithmetic of a Gemma block. Shapes: B batch, T query positions, S key positions, D hidden width, H query heads,
 * K key/value heads, G = H / K query heads a key head, C head dimension, F feed-forward width, V vocabulary.
 *
 * Normalisation, soft-capped attention and the gated feed-forward have hand-written gradients: automatic ones keep and
 * pass over several times as many [B, K, G, T, S] and [B, T, F] tensors, which is what a step on a CPU waits for.
 */
import { tf } from '@graft/engine';
import type { SideConfig } from './config';

type GradSave = (tensors: tf.Tensor[]) => void;

/** tfjs's type of `customGrad` wants `save` among the variadic tensors; this one says what is meant. */
function withGradient<A extends readonly tf.Tensor[]>(
  fn: (save: GradSave, ...inputs: A) => { value: tf.Tensor; gradients: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[] },
): (...inputs: A) => tf.Tensor {
  const wrapped = tf.customGrad((...all) => {
    const save = all.pop() as unknown as GradSave;
    const { value, gradients } = fn(save, ...(all as unknown as A));
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradients(dy, saved) };
  });
  return (...inputs) => wrapped(...(inputs as unknown as tf.Tensor[]));
}

/** x [..., in] times a stored projection [out, in]: [..., out]. */
export function linear(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const rows = x.reshape([-1, x.shape[x.shape.length - 1]]); // [B*T, in]
  return tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D, false, true).reshape([...x.shape.slice(0, -1), weight.shape[0]]);
}

/** RMS normalisation of the last axis with gain 1 + weight (quirk 7), float32. */
export function rmsNorm(x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor {
  const leading = x.shape.slice(0, -1).map((_, axis) => axis);
  return withGradient<[tf.Tensor, tf.Tensor]>((save, input, w) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(input), -1, true), epsilon)); // [..., 1]
    const normed = tf.mul(input, inverse);
    const gain = tf.add(w, 1);
    save([normed, inverse, gain]);
    return {
      value: tf.mul(normed, gain),
      gradients: (dy, [n, r, g]) => {
        const dn = tf.mul(dy, g);
        const dx = tf.mul(r, tf.sub(dn, tf.mul(n, tf.mean(tf.mul(dn, n), -1, true))));
        return [dx, tf.sum(tf.mul(dy, n), leading)];
      },
    };
  })(x, weight);
}

/** gelu(gate) * up with the tanh approximation of gelu. */
export function gatedGelu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  const ROOT = Math.sqrt(2 / Math.PI);
  const CUBIC = 0.044715;
  return withGradient<[tf.Tensor, tf.Tensor]>((save, g, u) => {
    const t = tf.tanh(tf.mul(g, tf.add(tf.mul(tf.square(g), ROOT * CUBIC), ROOT)));
    const half = tf.mul(tf.add(t, 1), 0.5); // gelu(g) = g * half
    save([g, u, t, half]);
    return {
      value: tf.mul(tf.mul(g, half), u),
      gradients: (dy, [gs, us, ts, halves]) => {
        // d gelu / dg = half + g/2 * (1 - t^2) * (ROOT + 3 ROOT CUBIC g^2)
        const slope = tf.add(tf.mul(tf.square(gs), 1.5 * ROOT * CUBIC), 0.5 * ROOT);
        const dGelu = tf.add(halves, tf.mul(tf.mul(gs, tf.sub(1, tf.square(ts))), slope));
        return [tf.mul(tf.mul(dy, us), dGelu), tf.mul(dy, tf.mul(gs, halves))];
      },
    };
  })(gate, up);
}

/** Cosines and sines of the rotary positions 0..length-1 (quirk 9): each [length, 1, C/2], computed in double precision. */
export function ropeTables(length: number, headDim: number, theta: number, start = 0): { cos: tf.Tensor; sin: tf.Tensor } {
  const half = headDim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / theta ** ((2 * i) / headDim));
    for (let position = 0; position < length; position++) {
      // Angles in float32, as the published implementation forms them.
      const angle = Math.fround((start + position) * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos: tf.tensor(cos, [length, 1, half]), sin: tf.tensor(sin, [length, 1, half]) };
}

function rotate(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor, inverse: boolean): tf.Tensor {
  const [a, b] = tf.split(x, 2, -1);
  const ac = tf.mul(a, cos);
  const bc = tf.mul(b, cos);
  const as = tf.mul(a, sin);
  const bs = tf.mul(b, sin);
  return inverse ? tf.concat([tf.add(ac, bs), tf.sub(bc, as)], -1) : tf.concat([tf.sub(ac, bs), tf.add(bc, as)], -1);
}

/** Rotary positions on x [B, T, heads, C], half-split: the first half of C turns with the second. */
export function rope(x: tf.Tensor, tables: { cos: tf.Tensor; sin: tf.Tensor }): tf.Tensor {
  return withGradient<[tf.Tensor]>((save, input) => {
    save([tables.cos, tables.sin]);
    return {
      value: rotate(input, tables.cos, tables.sin, false),
      // A rotation's gradient is the rotation back.
      gradients: (dy, [cos, sin]) => [rotate(dy, cos, sin, true)],
    };
  })(x);
}

/**
 * softmax(cap * tanh(scores) + mask): attention weights from scores that are already divided by the cap.
 * scores [B, K, G, T, S]; mask, broadcast to it, is 0 where a key is seen and the lowest float where not, so that a row
 * with nothing to see becomes uniform (quirk 3). Without a cap the tanh is left out.
 */
export function cappedSoftmax(scores: tf.Tensor, cap: number | null, mask: tf.Tensor | undefined): tf.Tensor {
  return withGradient<[tf.Tensor]>((save, raw) => {
    const t = cap === null ? raw : tf.tanh(raw);
    const capped = cap === null ? t : tf.mul(t, cap);
    const weights = tf.softmax(mask ? tf.add(capped, mask) : capped);
    save(cap === null ? [weights] : [weights, t]);
    return {
      value: weights,
      gradients: (dy, [p, ts]) => {
        const dyp = tf.mul(dy, p);
        const ds = tf.sub(dyp, tf.mul(p, tf.sum(dyp, -1, true)));
        if (cap === null) return [ds];
        return [tf.mul(ds, tf.sub(cap, tf.mul(tf.square(ts), cap)))];
      },
    };
  })(scores);
}

/** x [B, T, heads*C] as [B, T, heads, C]. */
export function splitHeads(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, length, width] = x.shape;
  return x.reshape([batch, length, heads, width / heads]);
}

/**
 * Attention proper. q [B, T, H, C], k and v [B, S, K, C] (rotated already where they should be);
 * mask broadcasts to [B, 1, 1, T, S]. Returns [B, T, H*C].
 */
export function attend(side: SideConfig, q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  const [batch, queries] = q.shape;
  const { keyValueHeads, heads, headDim, attentionSoftCap } = side;
  const group = heads / keyValueHeads;
  // Scaling the queries is cheaper than scaling the scores; the cap's division joins it.
  const scale = side.queryPreAttentionScalar ** -0.5 / (attentionSoftCap ?? 1);
  const keys = tf.transpose(k, [0, 2, 1, 3]); // [B, K, S, C]
  const values = tf.transpose(v, [0, 2, 1, 3]); // [B, K, S, C]
  const grouped =
    group === 1
      ? tf.transpose(tf.mul(q, scale), [0, 2, 1, 3]) // [B, K, T, C]
      : tf
          .transpose(tf.mul(q, scale).reshape([batch, queries, keyValueHeads, group, headDim]), [0, 2, 3, 1, 4]) // [B, K, G, T, C]
          .reshape([batch, keyValueHeads, group * queries, headDim]); // [B, K, G*T, C]
  return mixValues(side, grouped, keys, values, mask, queries);
}

/** The rest of `attend`, for keys and values [B, K, S, C] that are kept transposed, as a cache does. */
export function mixValues(
  side: SideConfig,
  grouped: tf.Tensor,
  keys: tf.Tensor,
  values: tf.Tensor,
  mask: tf.Tensor | undefined,
  queries: number,
): tf.Tensor {
  const { keyValueHeads, heads, headDim, attentionSoftCap } = side;
  const group = heads / keyValueHeads;
  const batch = grouped.shape[0];
  const sources = keys.shape[2]!;
  const scores = tf
    .matMul(grouped as tf.Tensor4D, keys as tf.Tensor4D, false, true) // [B, K, G*T, S]
    .reshape([batch, keyValueHeads, group, queries, sources]); // [B, K, G, T, S]
  const weights = cappedSoftmax(scores, attentionSoftCap, mask).reshape([batch, keyValueHeads, group * queries, sources]);
  const mixed = tf.matMul(weights as tf.Tensor4D, values as tf.Tensor4D); // [B, K, G*T, C]
  const ordered =
    group === 1
      ? tf.transpose(mixed, [0, 2, 1, 3]) // [B, T, K, C]
      : tf.transpose(mixed.reshape([batch, keyValueHeads, group, queries, headDim]), [0, 3, 1, 2, 4]); // [B, T, K, G, C]
  return ordered.reshape([batch, queries, heads * headDim]);
}

/**
 * Rows of an embedding table times sqrt(D): ids [...] to [..., D]. The pad token's row gets no gradient from here
 * (quirk 6); through a tied output it still does.
 */
export function embed(table: tf.Tensor, ids: tf.Tensor, padTokenId: number): tf.Tensor {
  const [vocabulary, hidden] = table.shape;
  const scale = Math.sqrt(hidden!);
  return withGradient<[tf.Tensor]>((save, weights) => {
    save([ids]);
    return {
      value: tf.mul(tf.gather(weights, ids), scale),
      gradients: (dy, [saved]) => {
        const flat = saved.flatten().toInt();
        const wanted = tf.mul(tf.notEqual(flat, padTokenId).toFloat(), scale).expandDims(1);
        return [tf.unsortedSegmentSum(tf.mul(dy.reshape([-1, hidden!]), wanted), flat as tf.Tensor1D, vocabulary!)];
      },
    };
  })(table);
}

/** cap * tanh(x / cap); null leaves x as it is. */
export function softCap(x: tf.Tensor, cap: number | null): tf.Tensor {
  if (cap === null) return x;
  return tf.mul(tf.tanh(tf.mul(x, 1 / cap)), cap);
}
