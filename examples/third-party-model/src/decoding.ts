/** Generation with a cache of all keys and values. Shapes as in layers.ts; P prompt length, N capacity. */
import type { BatchTensors, Decoding, DecodingStep, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import type { PrenormConfig } from './config';
import {
  attend,
  causalMask,
  embed,
  feedForward,
  HIDDEN,
  keysAndValues,
  layerNorm,
  logitsOf,
  paddingMask,
  positionsOf,
  type KeysAndValues,
} from './layers';

type Named = Record<string, tf.Tensor>;

const FLOAT_BYTES = 4;

export function prenormDecoding(
  config: PrenormConfig,
  encode: (parameters: Parameters, source: BatchTensors) => tf.Tensor,
): Decoding {
  const { heads, layers, width } = config;

  /** The decoder's blocks over rows [B, T, D]; `self` provides the keys and values of a block's own tokens. */
  function run(
    parameters: Parameters,
    input: tf.Tensor,
    fixed: Readonly<Named>,
    self: (name: string, normed: tf.Tensor) => { readonly seen: KeysAndValues; readonly mask: tf.Tensor },
  ): tf.Tensor {
    let rows = input;
    for (let block = 0; block < layers; block++) {
      const name = `dec.${block}.self`;
      const normed = layerNorm(parameters, `${name}.norm`, rows);
      const { seen, mask } = self(name, normed);
      rows = tf.add(rows, attend(parameters, name, normed, seen, mask));
      const cross = `dec.${block}.cross`;
      const asking = layerNorm(parameters, `${cross}.norm`, rows);
      const source = { keys: fixed[`${cross}.keys`], values: fixed[`${cross}.values`] };
      rows = tf.add(rows, attend(parameters, cross, asking, source, fixed.sourceMask));
      rows = feedForward(parameters, `dec.${block}.mlp`, rows);
    }
    return layerNorm(parameters, 'dec.norm', rows);
  }

  return {
    encode(parameters, source): Named {
      const states = encode(parameters, source);
      return source.attention_mask ? { states, mask: paddingMask(source.attention_mask) } : { states };
    },

    prefill(parameters, { ids, mask }, encoded, capacity) {
      const [batch, length] = ids.shape as [number, number];
      const { states, mask: sourceMask } = encoded as { readonly states: tf.Tensor; readonly mask?: tf.Tensor };
      const fixed: Named = sourceMask ? { sourceMask } : {};
      for (let block = 0; block < layers; block++) {
        const name = `dec.${block}.cross`;
        const { keys, values } = keysAndValues(parameters, name, states, heads);
        Object.assign(fixed, { [`${name}.keys`]: keys, [`${name}.values`]: values });
      }
      if (mask) {
        // Padding is on the left: later positions of the row are that much lower, and never hidden.
        const given = mask.toFloat();
        fixed.padding = tf.sum(tf.sub(1, given), 1);
        fixed.promptMask = tf.pad(paddingMask(given), [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, capacity - length],
        ]);
      }
      const causal = causalMask(length);
      const selfMask = mask ? tf.add(causal, paddingMask(mask)) : causal;
      const recent: Named = {};
      const rows = run(parameters, embed(parameters, ids, positionsOf(ids, mask)), fixed, (name, normed) => {
        const seen = keysAndValues(parameters, name, normed, heads);
        const room: [number, number][] = [
          [0, 0],
          [0, 0],
          [0, capacity - length],
          [0, 0],
        ];
        recent[`${name}.keys`] = tf.pad(seen.keys, room);
        recent[`${name}.values`] = tf.pad(seen.values, room);
        return { seen, mask: selfMask };
      });
      const last = tf.slice(rows, [0, length - 1, 0], [batch, 1, width]);
      return { states: tf.reshape(last, [batch, width]), fixed, cache: { long: {}, recent } };
    },

    step(parameters, { tokens, position, fixed, cache, capacity }: DecodingStep) {
      const batch = tokens.shape[0]!;
      const at = tf.range(0, capacity, 1);
      const here = position.toFloat();
      const slot = tf.reshape(tf.equal(at, here).toFloat(), [1, 1, capacity, 1]);
      const unreached = tf.reshape(tf.mul(tf.greater(at, here).toFloat(), HIDDEN), [1, 1, 1, capacity]);
      const mask = fixed.promptMask ? tf.add(unreached, fixed.promptMask) : unreached;
      const same = tf.mul(tf.ones([batch]), here);
      const positions = tf.expandDims(fixed.padding ? tf.sub(same, fixed.padding) : same, 1);
      const recent: Named = {};
      const input = embed(parameters, tf.expandDims(tokens, 1), positions);
      const rows = run(parameters, input, fixed, (name, normed) => {
        const made = keysAndValues(parameters, name, normed, heads);
        // Slots that no token has reached are zero, so that adding is writing.
        const keys = tf.add(cache.recent[`${name}.keys`], tf.mul(made.keys, slot));
        const values = tf.add(cache.recent[`${name}.values`], tf.mul(made.values, slot));
        Object.assign(recent, { [`${name}.keys`]: keys, [`${name}.values`]: values });
        return { seen: { keys, values }, mask };
      });
      return { states: tf.reshape(rows, [batch, width]), recent };
    },

    logits: (parameters, states) => logitsOf(parameters, states) as tf.Tensor2D,
    cacheBytes: (rows, capacity) => 2 * FLOAT_BYTES * rows * capacity * layers * width,
  };
}
