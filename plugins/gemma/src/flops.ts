import type { GemmaConfig, SideConfig } from './config';

/** Multiplications and additions of one product [m, k] x [k, n], forward and the two products backward. */
const product = (m: number, k: number, n: number): number => 3 * 2 * m * k * n;

/** Projections and attention of one attention with `queries` rows of each example looking at `keys` of them. */
function attention(side: SideConfig, batch: number, queries: number, keys: number, keyValueWidth: number): number {
  const width = side.heads * side.headDim;
  const keyWidth = side.keyValueHeads * side.headDim;
  return (
    2 * product(batch * queries, side.hidden, width) + // queries, output
    2 * product(batch * keys, keyValueWidth, keyWidth) + // keys, values
    2 * product(batch * queries, width, keys) // scores, mixing: heads * headDim each
  );
}

function feedForward(side: SideConfig, rows: number): number {
  return 3 * product(rows, side.hidden, side.feedForward);
}

/**
 * Floating-point operations of one training step's matrix products, masked ones included (they are computed). For a
 * decoder-only model only `targetLength` counts.
 */
export function flopsPerStep(
  config: GemmaConfig,
  shapes: { batch: number; sourceLength: number; targetLength: number },
): number {
  const { batch, sourceLength, targetLength } = shapes;
  const { decoder } = config;
  const target = batch * targetLength;
  let layer = attention(decoder, batch, targetLength, targetLength, decoder.hidden) + feedForward(decoder, target);
  let encoder = 0;
  if (config.kind === 'encoder-decoder') {
    const side = config.encoder;
    layer += attention(decoder, batch, targetLength, sourceLength, side.hidden);
    encoder =
      side.layers *
      (attention(side, batch, sourceLength, sourceLength, side.hidden) + feedForward(side, batch * sourceLength));
  }
  return encoder + decoder.layers * layer + product(target, decoder.hidden, decoder.vocabularySize);
}
