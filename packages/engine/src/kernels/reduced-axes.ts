import { tf } from '../tf';

/** The axes that a reduction of tfjs goes over. The maximum's and the minimum's go by another name than the others'; none are all. */
export function reducedAxes(attrs: tf.NamedAttrMap | undefined, shape: number[]): number[] {
  const { axis, reductionIndices } = attrs as { axis?: number | number[]; reductionIndices?: number | number[] };
  return tf.util.parseAxisParam((axis ?? reductionIndices)!, shape);
}
