export * from './errors';
export * from './types';
export { tf } from './tf';
export { openEngine } from './open';
export { withPrecision, currentPrecision } from './precision';
export { random, type RandomKey } from './random';
export { valueAndGradients, withGradient } from './gradients';
export { treeLeaves, treeMap } from './jit/tree';
