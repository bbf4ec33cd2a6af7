/**
 * Low-rank pairs (LoRA, arXiv 2106.09685): a linear layer x W^T becomes x W^T + factor (x A^T) B^T, with A [rank, in] and
 * B [out, rank]. W stays as it is.
 */
import { PAIR_ENDS } from '@graft/checkpoint';
import { tf } from '@graft/engine';
import type { Parameters } from '../../interfaces';

/** The pair of a linear layer. Whoever hands it to a model has multiplied B by the factor. */
export interface LowRankPair {
  /** [rank, in] */
  readonly a: tf.Tensor;
  /** [out, rank] */
  readonly b: tf.Tensor;
}

const WEIGHT = '.weight';

/** The path of a linear layer, from the name of its matrix. */
export const layerOf = (weight: string): string => (weight.endsWith(WEIGHT) ? weight.slice(0, -WEIGHT.length) : weight);

/** The names of the parameters in a matrix's pair, as PEFT calls them: `<layer>.lora_A.weight`. */
export function pairNames(weight: string): { readonly a: string; readonly b: string } {
  const layer = layerOf(weight);
  return { a: `${layer}${PAIR_ENDS.a}`, b: `${layer}${PAIR_ENDS.b}` };
}

/**
 * The pair of the matrix `weight`; undefined if the parameters contain none. For families whose models `readsPairs`.
 */
export function pairOf(parameters: Parameters, weight: string): LowRankPair | undefined {
  const names = pairNames(weight);
  const a = parameters[names.a] as tf.Tensor | undefined;
  return a && { a, b: parameters[names.b] };
}

/**
 * What a pair adds to the product of a linear layer: rows [N, in] to [N, out]. `mask`, of the shape of the rows, holds the
 * factors of dropped inputs (`random.dropoutMask`). Traceable.
 */
export function lowRankTerm(rows: tf.Tensor, { a, b }: LowRankPair, mask?: tf.Tensor): tf.Tensor {
  const kept = mask ? tf.mul(rows, mask) : rows;
  const narrow = tf.matMul(kept as tf.Tensor2D, a as tf.Tensor2D, false, true); // [N, rank]
  return tf.matMul(narrow as tf.Tensor2D, b as tf.Tensor2D, false, true);
}

/** The matrix that computes what W [out, in] and its pair compute together: W + factor B A. Traceable. */
export const mergedMatrix = (weight: tf.Tensor, { a, b }: LowRankPair, factor: number): tf.Tensor =>
  tf.add(weight, tf.mul(tf.matMul(b as tf.Tensor2D, a as tf.Tensor2D), factor));
