// A balanced pair of a published size with random weights, each side with its own embedding table.
import { random, tf } from '@graft/engine';
import { pairOf } from '../bench/pair.mjs';
import { SIZES } from './sizes.mjs';

export function makeModel(sizeName, { rematerialize = false, attention } = {}, other = {}) {
  const size = { ...SIZES[sizeName], ...other };
  const model = pairOf(size, { tieEncoderEmbedding: false, rematerialize, attention });
  return { size, model };
}

/** Normal numbers times 0.02, drawn on the device, one program for each shape; norms are zero. `keep`: what becomes of each. */
export function drawParameters(engine, model, keep = (drawn) => drawn) {
  const draw = engine.jit(({ shape }, key) => random.normal(key, shape, 0, 0.02), { name: 'draw' });
  const zeros = engine.jit(({ shape }) => tf.zeros(shape), { name: 'zeros' });
  const parameters = {};
  model.parameters.forEach(({ name, shape, initial }, i) => {
    const key = random.key(i);
    parameters[name] = keep(initial === 'zeros' ? zeros({ shape }) : draw({ shape }, key), name);
    key.dispose();
  });
  draw.dispose();
  zeros.dispose();
  return parameters;
}
