import type { StepShape } from '@graft/core';
import type { AnyGemmaConfig, SideConfig } from '../model/config-types';

/**
 * Lengths of one batch, in tokens. For a decoder-only model only `targetLength` counts, for an encoder alone only
 * `sourceLength`.
 */
export type BatchShape = StepShape;

/** Floating-point operations by part of the model. */
export interface FlopsByPart {
  /** 0 for a decoder-only model. */
  readonly encoder: number;
  /** Self-attention and feed-forward. */
  readonly decoder: number;
  /** With the keys and values of the source. 0 for a decoder-only model. */
  readonly crossAttention: number;
  /** Final states to logits. */
  readonly output: number;
}

/** Multiplications and additions of one product [m, k] x [k, n]. */
export const product = (m: number, k: number, n: number): number => 2 * m * k * n;

/** Operations of projections and attention of one attention in which `queries` rows of each example attend to `keys` of them. */
export function attentionFlops(
  side: SideConfig,
  batch: number,
  queries: number,
  keys: number,
  keyValueWidth: number,
): number {
  const width = side.heads * side.headDim;
  const keyWidth = side.keyValueHeads * side.headDim;
  return (
    2 * product(batch * queries, side.hidden, width) + // queries, output
    2 * product(batch * keys, keyValueWidth, keyWidth) + // keys, values
    2 * product(batch * queries, width, keys) // scores, mixing: heads * headDim each
  );
}

/** Operations of one feed-forward. */
export function feedForwardFlops(side: SideConfig, rows: number): number {
  return 3 * product(rows, side.hidden, side.feedForward);
}

/** Operations of one side's layers, without cross-attention. */
export function stackFlops(side: SideConfig, batch: number, length: number): number {
  return (
    side.layers * (attentionFlops(side, batch, length, length, side.hidden) + feedForwardFlops(side, batch * length))
  );
}

/** Operations of a forward pass's matrix products, masked ones included (they are computed). */
export function forwardFlops(
  config: AnyGemmaConfig,
  { batch, sourceLength, targetLength, targetsPerSource = 1 }: BatchShape,
): FlopsByPart {
  if (config.kind === 'encoder-only')
    return { encoder: stackFlops(config.encoder, batch, sourceLength), decoder: 0, crossAttention: 0, output: 0 };
  const { decoder } = config;
  const targets = config.kind === 'decoder-only' ? batch : batch * targetsPerSource;
  const parts = {
    decoder: stackFlops(decoder, targets, targetLength),
    output: product(targets * targetLength, decoder.hidden, decoder.vocabularySize),
  };
  if (config.kind === 'decoder-only') return { encoder: 0, crossAttention: 0, ...parts };
  const { encoder } = config;
  return {
    encoder: stackFlops(encoder, batch, sourceLength),
    // Each target has keys and values of its own.
    crossAttention: crossAttentionFlops({ decoder, encoder }, targets, targetLength, sourceLength),
    ...parts,
  };
}

/** Operations of all layers' cross-attention, with the keys and values of the source. */
export function crossAttentionFlops(
  { decoder, encoder }: { readonly decoder: SideConfig; readonly encoder: SideConfig },
  batch: number,
  targetLength: number,
  sourceLength: number,
): number {
  const width = decoder.heads * decoder.headDim;
  // Queries and output of merged attention are those of self-attention.
  const shared =
    decoder.block.crossAttention === 'merged' ? 2 * product(batch * targetLength, decoder.hidden, width) : 0;
  return decoder.layers * (attentionFlops(decoder, batch, targetLength, sourceLength, encoder.hidden) - shared);
}

/** Operations of one training step's matrix products: those of the forward pass, and twice as many backward. */
export function flopsPerStep(config: AnyGemmaConfig, shape: BatchShape): number {
  const { encoder, decoder, crossAttention, output } = forwardFlops(config, shape);
  return 3 * (encoder + decoder + crossAttention + output);
}
