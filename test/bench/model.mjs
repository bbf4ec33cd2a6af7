// Models of the peers' sizes (test/peers/bench_sizes.py), with random weights.
import { readFileSync } from 'node:fs';
import { createRandom } from '@graft/core';
import { random, tf } from '@graft/engine';
import { pairOf } from './pair.mjs';

const SIZES = JSON.parse(readFileSync(new URL('./sizes.json', import.meta.url), 'utf8'));

/** Random numbers that come from the host, as those of a checkpoint do. */
function hostNormal(seed, shape) {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  createRandom(seed).fillNormal(values, 0.02);
  return tf.tensor(values, shape);
}

/** The size's numbers, an encoder-decoder with one embedding table, and its parameters. */
export function makeModel(sizeName, overrides = {}, { fromHost = false } = {}) {
  const size = { ...SIZES[sizeName], ...overrides };
  const model = pairOf(size, { tieEncoderEmbedding: true });
  const parameters = {};
  model.parameters.forEach(({ name, shape, initial }, i) => {
    parameters[name] =
      initial === 'zeros'
        ? tf.zeros(shape)
        : fromHost
          ? hostNormal(i, shape)
          : random.normal(random.key(i), shape, 0, 0.02);
  });
  return { size, model, parameters };
}
