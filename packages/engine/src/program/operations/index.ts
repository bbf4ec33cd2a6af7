import { attention } from '../attention';
import { elementwise, rowwise } from './elementwise';
import { images } from './images';
import { indexing, random } from './indexing';
import type { Operation, Operations } from './operation';
import { products } from './products';
import { reductions } from './reductions';
import { shapes } from './shapes';

/**
 * Every operation that a program may contain: those that tfjs-node's kernels emit, and Graft's own. The names are
 * TensorFlow's; what runs a program knows them.
 */
export const OPERATIONS: Operations = {
  ...elementwise,
  ...rowwise,
  ...reductions,
  ...products,
  ...shapes,
  ...indexing,
  ...random,
  ...images,
  ...attention,
};

export function findOperation(op: string): Operation | undefined {
  return Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : undefined;
}

export { axisOf, DynamicShape, each, hostValues, ShapeError, type Call, type Operation } from './operation';
export { channelsAt, spaceOf, windowsOf, type Extent } from './space';
export { stridedSlice, type Taken } from './strided-slice';
