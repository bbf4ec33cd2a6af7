/**
 * The arithmetic of a Gemma block. Shapes: B batch, T query positions, S key positions, N = B*T rows, D hidden width,
 * H query heads, K key/value heads, G = H / K query heads a key head, C head dimension, F feed-forward width,
 * V vocabulary.
 *
 * Normalisation, soft-capped attention, rotation and the gated feed-forward have hand-written gradients: automatic ones
 * keep and pass over several times as many tensors of the sizes [B, K, G, T, S] and [N, F], and passes over memory are
 * what a step on a CPU waits for besides its matrix products.
 */
import { tf, withGradient } from '@graft/engine';
import type { SideConfig } from './config';

/** Rows [N, in] times a stored projection [out, in]: [N, out]. */
export function linear(rows: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  return tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D, false, true);
}

/** RMS normalisation of rows [N, D] with gain 1 + weight [D] (quirk 7), float32. */
export function rmsNorm(rows: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor {
  return withGradient<[tf.Tensor, tf.Tensor]>((save, x, w) => {
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), epsilon)); // [N, 1]
    const normed = tf.mul(x, inverse);
    const gain = tf.add(w, 1);
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

/** gelu(gate) * up with the tanh approximation of gelu; [N, F] each. */
export function gatedGelu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return withGradient<[tf.Tensor, tf.Tensor]>((save, g, u) => {
    const t = tf.tanh(tf.mul(g, tf.add(tf.mul(tf.square(g), GELU_ROOT * GELU_CUBIC), GELU_ROOT)));
    const half = tf.add(tf.mul(t, 0.5), 0.5); // gelu(g) = g * half
    save([g, u, t, half]);
    return {
      value: tf.mul(tf.mul(g, half), u),
      gradients: (dy, [gs, us, ts, halves]) => {
        // d gelu / dg = half + g/2 * (1 - t^2) * (ROOT + 3 ROOT CUBIC g^2)
        const slope = tf.add(tf.mul(tf.square(gs), 1.5 * GELU_ROOT * GELU_CUBIC), 0.5 * GELU_ROOT);
        const dGelu = tf.add(halves, tf.mul(tf.mul(gs, tf.sub(1, tf.square(ts))), slope));
        return [tf.mul(tf.mul(dy, us), dGelu), tf.mul(dy, tf.mul(gs, halves))];
      },
    };
  })(gate, up);
}

/** Cosines and sines of rotary positions: [T, 1, C/2] each. */
export interface RopeTables {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

/** Tables for the positions 0..length-1 (quirk 9), made on the host: constants of a trace. */
export function ropeTables(length: number, headDim: number, theta: number): RopeTables {
  const half = headDim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1 / theta ** ((2 * i) / headDim));
    for (let position = 0; position < length; position++) {
      // Angles in float32, as the published implementation forms them (quirk 7).
      const angle = Math.fround(position * frequency);
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
export function rope(x: tf.Tensor, tables: RopeTables): tf.Tensor {
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

/** Rows [B*T, heads*C] as [B, T, heads, C]. */
export function splitHeads(rows: tf.Tensor, batch: number, heads: number): tf.Tensor {
  const [count, width] = rows.shape;
  return tf.reshape(rows, [batch, count / batch, heads, width! / heads]);
}

/** [B, T, heads, C] to [B, heads, T, C]. */
export function toHeadsFirst(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 2, 1, 3]);
}

/**
 * Attention proper. q [B, T, H, C]; keys and values heads first, [B, K, S, C] (rotated already where they should be);
 * mask broadcasts to [B, 1, 1, T, S]. Returns rows [B*T, H*C]. Keys are never repeated: query heads that share a key
 * head are more queries of it.
 */
export function attend(side: SideConfig, q: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
  const [batch, queries] = q.shape;
  const { keyValueHeads, heads, headDim, attentionSoftCap } = side;
  const group = heads / keyValueHeads;
  const sources = keys.shape[2]!;
  // Scaling the queries is cheaper than scaling the scores; the cap's division joins it.
  const scaled = tf.mul(q, side.queryPreAttentionScalar ** -0.5 / (attentionSoftCap ?? 1));
  const grouped =
    group === 1
      ? toHeadsFirst(scaled) // [B, K, T, C]
      : tf.reshape(
          tf.transpose(tf.reshape(scaled, [batch, queries, keyValueHeads, group, headDim]), [0, 2, 3, 1, 4]), // [B, K, G, T, C]
          [batch, keyValueHeads, group * queries, headDim],
        );
  const scores = tf.matMul(grouped as tf.Tensor4D, keys as tf.Tensor4D, false, true); // [B, K, G*T, S]
  const weights = cappedSoftmax(tf.reshape(scores, [batch, keyValueHeads, group, queries, sources]), attentionSoftCap, mask);
  const mixed = tf.matMul(tf.reshape(weights, [batch, keyValueHeads, group * queries, sources]) as tf.Tensor4D, values as tf.Tensor4D); // [B, K, G*T, C]
  const ordered =
    group === 1
      ? tf.transpose(mixed, [0, 2, 1, 3]) // [B, T, K, C]
      : tf.transpose(tf.reshape(mixed, [batch, keyValueHeads, group, queries, headDim]), [0, 3, 1, 2, 4]); // [B, T, K, G, C]
  return tf.reshape(ordered, [batch * queries, heads * headDim]);
}

/**
 * Rows of an embedding table times sqrt(D): ids [N] to [N, D]. The pad token's row gets no gradient from here
 * (quirk 6); through a tied output it still does.
 */
export function embed(table: tf.Tensor, ids: tf.Tensor, padTokenId: number): tf.Tensor {
  const [vocabulary, hidden] = table.shape;
  const scale = Math.sqrt(hidden!);
  return withGradient<[tf.Tensor]>((save, weights) => {
    save([ids]);
    return {
      value: tf.mul(tf.gather(weights, ids as tf.Tensor1D), scale),
      gradients: (dy, [saved]) => {
        const wanted = tf.mul(tf.notEqual(saved, padTokenId).toFloat(), scale).expandDims(1); // [N, 1]
        return [tf.unsortedSegmentSum(tf.mul(dy, wanted), saved as tf.Tensor1D, vocabulary!)];
      },
    };
  })(table);
}

/** cap * tanh(x / cap); null leaves x as it is. */
export function softCap(x: tf.Tensor, cap: number | null): tf.Tensor {
  if (cap === null) return x;
  return tf.mul(tf.tanh(tf.mul(x, 1 / cap)), cap);
}
