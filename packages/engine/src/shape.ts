import { tf } from './tf';

/** Elements of a tensor of this shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return tf.util.sizeFromShape(shape as number[]);
}
