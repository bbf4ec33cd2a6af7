import type { tf } from '../tf';
import { constrain } from './constrain';

/** The axes of the mesh over which rows are split in the function that is being traced. */
let rowAxes: readonly string[] = [];

/** Calls `fn`, in which `constrainRows` splits rows over these axes of the mesh. */
export function withRowAxes<T>(axes: readonly string[], fn: () => T): T {
  const outer = rowAxes;
  rowAxes = axes;
  try {
    return fn();
  } finally {
    rowAxes = outer;
  }
}

/**
 * An activation whose first dimension are rows of the batch, or positions of all rows: in a training step over a mesh, each
 * device computes those of its part of the batch, and all of their numbers. Elsewhere, the activation itself.
 */
export const constrainRows = <T extends tf.Tensor>(activation: T): T =>
  rowAxes.length === 0 ? activation : constrain(activation, [rowAxes]);
