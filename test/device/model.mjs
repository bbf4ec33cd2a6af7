// A balanced pair of a published size with random weights, each side with its own embedding table.
import { random, tf } from '@graft/engine';
import { defaultLayerTypes, GemmaModel } from '@graft/gemma';
import { SIZES } from './sizes.mjs';

export function makeModel(sizeName, { rematerialize = false, attention } = {}, other = {}) {
  const size = { ...SIZES[sizeName], ...other };
  const side = {
    ...size,
    vocabularySize: size.vocabulary,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10000,
    maxPositions: 8192,
    slidingWindow: size.window,
    layerTypes: defaultLayerTypes(size.layers),
    attentionSoftCap: 50,
    finalLogitSoftCap: 30,
    queryPreAttentionScalar: size.headDim,
    padTokenId: 0,
    bosTokenId: 2,
    eosTokenIds: [1],
  };
  const model = new GemmaModel({
    kind: 'encoder-decoder',
    encoder: side,
    decoder: side,
    encoderWindow: 'strict',
    tieEncoderEmbedding: false,
    rematerialize,
    attention,
  });
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
