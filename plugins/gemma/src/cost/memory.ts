import { attentionMethod, BLOCK } from '../model/attention';
import { keysInReach } from '../model/attention-mask';
import type { AnyGemmaConfig, SideConfig } from '../model/config-types';
import { decoderSpans, encoderSpans, type AttentionSpan, type SideSpans } from '../model/masks';
import type { BatchShape } from './flops';

/** Bytes that a step stores on a device. */
export interface StepMemory {
  /** Values of the layers, for their gradients. */
  readonly activations: number;
  /** Logits, what the loss makes of them, and their gradient. */
  readonly logits: number;
}

/** What an estimate depends on besides the architecture and the batch. */
export interface StepMemoryOptions {
  /** Tokens whose logits are in memory together. Default: all. */
  readonly chunkTokens?: number;
  /** Devices that share each row: heads, columns of the feed-forward, and the vocabulary. Default: 1. */
  readonly rowParts?: number;
}

/** Numbers of one layer or attention. */
interface Stored {
  /** Stored for the gradient. */
  readonly kept: number;
  /** In memory only while the gradient of a part is computed. */
  readonly again: number;
}

/** A side of the model and its batch. */
interface Side {
  readonly side: SideConfig;
  readonly config: AnyGemmaConfig;
  readonly batch: number;
  readonly length: number;
  /** Rows of the source that cross-attention reads; 0: there is none. */
  readonly crossLength: number;
  readonly spans: SideSpans;
  readonly rowParts: number;
}

/** Arrays of the size of the logits that are in memory together: capped logits, exponentials, and the gradient of one. */
const LOGIT_ARRAYS = 3;

/** Matrices of scores: their softmax, and with a cap the tanh. */
const scoreArrays = ({ attentionSoftCap }: SideConfig): number => (attentionSoftCap === null ? 1 : 2);

/** Rows of keys that attention in blocks of queries stores, each distinct part for itself, and the most that a block reads. */
function keysOfBlocks(
  span: AttentionSpan | undefined,
  queries: number,
  keys: number,
): { readonly rows: number; readonly most: number } {
  const parts = new Map<string, number>();
  for (let first = 0; first < queries; first += BLOCK) {
    const reach = keysInReach({ span }, first, Math.min(BLOCK, queries - first), keys);
    parts.set(`${reach.firstKey} ${reach.keys}`, reach.keys);
  }
  const counts = [...parts.values()];
  return { rows: counts.reduce((sum, count) => sum + count, 0), most: Math.max(...counts) };
}

/**
 * What one attention stores: queries, keys and values, and its result; with whole matrices of scores also those, and the
 * result before and behind the order of heads; a kernel, the logarithm of each query's sum.
 */
function attention({ side, config, batch, length, rowParts }: Side, keys: number, span?: AttentionSpan): Stored {
  const { heads, keyValueHeads, headDim } = side;
  const method = attentionMethod(
    side,
    { batch, queries: length, keys },
    { wanted: config.attention, dropout: config.dropout && { rates: config.dropout } },
  );
  const width = (heads * headDim) / rowParts;
  // Each device has at least one head of keys.
  const keyWidth = (2 * keyValueHeads * headDim) / Math.min(rowParts, keyValueHeads);
  const scores = (scoreArrays(side) * heads) / rowParts;
  if (method === 'whole') return { kept: batch * (length * (3 * width + scores * keys) + keyWidth * keys), again: 0 };
  if (method === 'fused')
    return { kept: batch * (length * (2 * width + heads / rowParts) + keyWidth * keys), again: 0 };
  const { rows, most } = keysOfBlocks(span, length, keys);
  // A block's scores, and as many gradients.
  const again = 2 * batch * scores * Math.min(BLOCK, length) * most;
  return { kept: batch * (2 * length * width + keyWidth * rows), again };
}

/** The two norms around a sub-layer: normed rows of both, and what the sub-layer reads. */
const norms = ({ hidden }: SideConfig): number => 3 * hidden;

/** Gate, up, and the three arrays that their product's gradient reads. */
const feedForward = (side: SideConfig): number => 5 * side.feedForward;

function layer(of: Side, span: AttentionSpan | undefined): Stored {
  const { side, batch, length, crossLength, rowParts } = of;
  const self = attention(of, length, span);
  const cross = crossLength > 0 ? attention(of, crossLength) : { kept: 0, again: 0 };
  const subLayers = crossLength > 0 ? 3 : 2;
  const others = batch * length * (subLayers * norms(side) + feedForward(side) / rowParts);
  return { kept: self.kept + cross.kept + others, again: Math.max(self.again, cross.again) };
}

/**
 * What one side stores: every layer's values, and while the gradient of one layer is computed as many gradients. With
 * rematerialization only the rows between its layers, and meanwhile that layer's values, too.
 */
function stack(of: Side): Stored {
  const { side, config, batch, length, spans } = of;
  const layers = side.layerTypes.map((type) => layer(of, spans[type]));
  const largest = Math.max(...layers.map(({ kept }) => kept));
  const again = Math.max(...layers.map((one) => one.again));
  if (config.rematerialize) return { kept: side.layers * batch * length * side.hidden, again: 2 * largest + again };
  return { kept: layers.reduce((sum, one) => sum + one.kept, 0), again: largest + again };
}

/** Bytes of several sides, whose gradients are computed one after the other. */
const together = (sides: readonly Stored[]): number =>
  4 * (sides.reduce((sum, { kept }) => sum + kept, 0) + Math.max(...sides.map(({ again }) => again)));

/** Estimates from shapes what a training step stores on a device in addition to parameters and gradients, in bytes. */
export function stepMemory(
  config: AnyGemmaConfig,
  { sourceLength, targetLength, batch, targetsPerSource = 1 }: BatchShape,
  { chunkTokens, rowParts = 1 }: StepMemoryOptions = {},
): StepMemory {
  const common = { config, batch, rowParts };
  const ofSource = (): Stored => {
    if (config.kind === 'decoder-only') return { kept: 0, again: 0 };
    const { encoder, encoderWindow, encoderAttention } = config;
    const spans = encoderSpans(sourceLength, encoder.slidingWindow, encoderWindow, encoderAttention);
    return stack({ ...common, side: encoder, length: sourceLength, crossLength: 0, spans });
  };
  if (config.kind === 'encoder-only') return { activations: together([ofSource()]), logits: 0 };
  const { decoder } = config;
  // Each target of a source has the source's states, and keys and values, for itself.
  const targets = config.kind === 'decoder-only' ? batch : batch * targetsPerSource;
  const tokens = Math.min(targets * targetLength, chunkTokens ?? Infinity);
  const logits = (4 * LOGIT_ARRAYS * tokens * decoder.vocabularySize) / rowParts;
  const crossLength = config.kind === 'decoder-only' ? 0 : sourceLength;
  const spans = decoderSpans(targetLength, decoder.slidingWindow);
  const ofTarget = stack({ ...common, batch: targets, side: decoder, length: targetLength, crossLength, spans });
  return { activations: together([ofSource(), ofTarget]), logits };
}
