import { tf } from '../tf';

/** The axes of a tfjs reduction. For maximum and minimum the attribute has another name; no axes means all. */
export function reducedAxes(attrs: tf.NamedAttrMap | undefined, shape: number[]): number[] {
  const { axis, reductionIndices } = attrs as { axis?: number | number[]; reductionIndices?: number | number[] };
  return tf.util.parseAxisParam((axis ?? reductionIndices)!, shape);
}
