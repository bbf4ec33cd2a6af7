import type { AnyGemmaConfig, SideConfig } from '../model/config-types';
import type { BatchShape } from './flops';

/** Bytes that a step stores. */
export interface StepMemory {
  /** Values of the layers, for their gradients. */
  readonly activations: number;
  /** Logits, what the loss makes of them, and their gradient. */
  readonly logits: number;
}

/** Numbers that a layer stores: per row of its own tokens, and per row of the source. */
interface Stored {
  readonly own: number;
  readonly source: number;
}

/** Arrays of the size of the logits that are in memory together: capped logits, exponentials, and the gradient of one. */
const LOGIT_ARRAYS = 3;

/** Matrices of scores: their softmax, and with a cap the tanh. */
const scoreArrays = ({ attentionSoftCap }: SideConfig): number => (attentionSoftCap === null ? 1 : 2);

/** What one attention stores: queries, keys and values, scores, and its result before and behind the order of heads. */
function attention(side: SideConfig, keys: number, isCross: boolean): Stored {
  const [width, keyWidth] = [side.heads * side.headDim, side.keyValueHeads * side.headDim];
  const own = 3 * width + scoreArrays(side) * side.heads * keys;
  return isCross ? { own, source: 2 * keyWidth } : { own: own + 2 * keyWidth, source: 0 };
}

/** The two norms around a sub-layer: normed rows of both, and what the sub-layer reads. */
const norms = ({ hidden }: SideConfig): number => 3 * hidden;

/** Gate, up, and the three arrays that their product's gradient reads. */
const feedForward = (side: SideConfig): number => 5 * side.feedForward;

function layer(side: SideConfig, keys: number, crossKeys: number): Stored {
  const self = attention(side, keys, false);
  const cross = crossKeys > 0 ? attention(side, crossKeys, true) : { own: 0, source: 0 };
  const subLayers = crossKeys > 0 ? 3 : 2;
  return { own: subLayers * norms(side) + self.own + cross.own + feedForward(side), source: cross.source };
}

/**
 * What one side stores. With rematerialization only the rows between its layers, and while the gradient of one layer is
 * computed that layer's values and as many gradients; without, every layer's values, and the gradients of one.
 */
function stack(side: SideConfig, shape: BatchShape, length: number, crossKeys: number, rematerialize: boolean): number {
  const { own, source } = layer(side, length, crossKeys);
  const ofLayer = shape.batch * (length * own + crossKeys * source);
  const between = side.layers * shape.batch * length * side.hidden;
  return 4 * (rematerialize ? between + 2 * ofLayer : side.layers * ofLayer + ofLayer);
}

/** Estimates from shapes what a training step stores in addition to parameters and gradients, in bytes. */
export function stepMemory(
  config: AnyGemmaConfig,
  shape: BatchShape,
  { chunkTokens }: { readonly chunkTokens?: number } = {},
): StepMemory {
  const { rematerialize = false } = config;
  const { sourceLength, targetLength, batch } = shape;
  const ofSource = (encoder: SideConfig): number => stack(encoder, shape, sourceLength, 0, rematerialize);
  if (config.kind === 'encoder-only') return { activations: ofSource(config.encoder), logits: 0 };
  const { decoder } = config;
  const tokens = Math.min(batch * targetLength, chunkTokens ?? Infinity);
  const logits = 4 * LOGIT_ARRAYS * tokens * decoder.vocabularySize;
  if (config.kind === 'decoder-only')
    return { activations: stack(decoder, shape, targetLength, 0, rematerialize), logits };
  // The decoder's values are freed before the encoder's gradient begins: of the gradients only one layer's are there.
  const both = ofSource(config.encoder) + stack(decoder, shape, targetLength, sourceLength, rematerialize);
  return { activations: both, logits };
}
