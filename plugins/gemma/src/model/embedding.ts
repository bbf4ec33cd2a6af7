/** Embedding of tokens. Shapes as in layers.ts: N rows of all sequences, D hidden width, V vocabulary. */
import { tf, unpackBfloat16, withGradient } from '@graft/engine';
import type { Parameters } from '@graft/core';
import type { SideConfig } from './config-types';
import { isPacked } from '@graft/core/internal';

/** The tables that embed one side's tokens, by the names of their parameters. */
export interface EmbeddingSource {
  readonly table: string;
  /** A token with an embedding of its own, and the parameter [D] that holds it. */
  readonly extra?: { readonly token: number; readonly name: string };
}

/** Tokens int32 [N] as rows [N, D], scaled as the side's block wants it. */
export function embedTokens(
  parameters: Parameters,
  { block, padTokenId }: Pick<SideConfig, 'block' | 'padTokenId'>,
  { table, extra }: EmbeddingSource,
  ids: tf.Tensor,
): tf.Tensor {
  const rows = embed(parameters[table], ids, padTokenId, block.embeddingScale);
  if (!extra) return rows;
  // Its own embedding is not scaled, and the table's row gets no gradient here (quirk 11 of the second set).
  const isExtra = tf.equal(ids, extra.token).toFloat().expandDims(1); // [N, 1]
  const own = tf.reshape(parameters[extra.name], [1, -1]);
  return tf.add(tf.mul(rows, tf.sub(1, isExtra)), tf.mul(isExtra, own));
}

/**
 * Rows of an embedding table, times sqrt(D) or unscaled: ids [N] to [N, D]. The pad token's row gets no gradient here
 * (quirk 6); through a tied output it still does. null: there is no pad token.
 */
export function embed(
  table: tf.Tensor,
  ids: tf.Tensor,
  padTokenId: number | null,
  scaling: SideConfig['block']['embeddingScale'] = 'sqrt-hidden',
): tf.Tensor {
  const scaled = (rows: tf.Tensor, factor: number): tf.Tensor => (factor === 1 ? rows : tf.mul(rows, factor));
  const factorFor = (hidden: number): number => (scaling === 'none' ? 1 : Math.sqrt(hidden));
  if (isPacked(table)) {
    const rows = unpackBfloat16(tf.gather(table, ids as tf.Tensor1D)); // [N, D]
    return scaled(rows, factorFor(rows.shape[1]!));
  }
  const [vocabulary, hidden] = table.shape;
  const scale = factorFor(hidden!);
  return withGradient<[tf.Tensor]>((save, weights) => {
    save([ids]);
    return {
      value: scaled(tf.gather(weights, ids as tf.Tensor1D), scale),
      gradients: (dy, [saved]) => {
        // No id is -1.
        const wanted = scaled(tf.notEqual(saved, padTokenId ?? -1).toFloat(), scale).expandDims(1); // [N, 1]
        return [tf.unsortedSegmentSum(tf.mul(dy, wanted), saved as tf.Tensor1D, vocabulary!)];
      },
    };
  })(table);
}
