// A balanced pair as the benchmarks measure it: everything of a Gemma 2 that is not a size.
import { defaultLayerTypes, GEMMA2_BLOCK, GemmaModel } from '@graft/gemma';

/** One side of those numbers of layers, widths and heads. `vocabulary` and `window`: in tokens. */
export function sideOf({ vocabulary, window = 4096, ...size }) {
  return {
    ...size,
    vocabularySize: vocabulary,
    rmsNormEpsilon: 1e-6,
    block: GEMMA2_BLOCK,
    rotary: { full_attention: { theta: 10000 }, sliding_attention: { theta: 10000 } },
    maxPositions: 8192,
    slidingWindow: window,
    layerTypes: defaultLayerTypes(size.layers),
    attentionSoftCap: 50,
    finalLogitSoftCap: 30,
    queryPreAttentionScalar: size.headDim,
    padTokenId: 0,
    bosTokenId: 2,
    eosTokenIds: [1],
  };
}

/** An encoder-decoder of two such sides. `options`: of its config, such as tieEncoderEmbedding. */
export function pairOf(size, options) {
  const side = sideOf(size);
  return new GemmaModel({
    kind: 'encoder-decoder',
    family: 't5gemma',
    encoder: side,
    decoder: side,
    encoderWindow: 'strict',
    ...options,
  });
}
