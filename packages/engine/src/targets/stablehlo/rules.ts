import { attention } from './attention';
import { comparisons } from './comparison';
import { convolutions } from './convolutions';
import { elementwise } from './elementwise';
import { indexing } from './indexing';
import { poolings } from './pooling';
import { products } from './products';
import { random } from './random';
import { reductions } from './reductions';
import { rowwise } from './rowwise';
import type { Rule, Rules } from './rule';
import { shapes } from './shapes';

/**
 * How each operation is written in StableHLO, with TensorFlow's semantics. Missing: resizing and cropping of images,
 * dilation, suppression of boxes, strings, and what has a shape that only the run knows.
 */
export const RULES: Rules = {
  ...elementwise,
  ...comparisons,
  ...rowwise,
  ...reductions,
  ...products,
  ...shapes,
  ...indexing,
  ...random,
  ...convolutions,
  ...poolings,
  ...attention,
};

export function findRule(op: string): Rule | undefined {
  return Object.hasOwn(RULES, op) ? RULES[op] : undefined;
}
