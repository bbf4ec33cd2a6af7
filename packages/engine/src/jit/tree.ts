import { EngineError } from '@graft/errors';
import { tf } from '../tf';
import type { Tree } from '../types';

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The tensors of a tree, in the order in which `treeMap` visits them. */
export function treeLeaves(tree: unknown): tf.Tensor[] {
  const leaves: tf.Tensor[] = [];
  collect(tree, leaves);
  return leaves;
}

/** The path of each tensor in the tree, as text, in the order of `treeLeaves`. */
export function treePaths(tree: unknown, prefix = ''): string[] {
  if (tree instanceof tf.Tensor) return [prefix];
  if (Array.isArray(tree)) return tree.flatMap((branch, i) => treePaths(branch, `${prefix}/${i}`));
  if (!isPlainObject(tree)) return [];
  return Object.entries(tree).flatMap(([key, branch]) => treePaths(branch, `${prefix}/${key}`));
}

function collect(tree: unknown, leaves: tf.Tensor[]): void {
  if (tree instanceof tf.Tensor) leaves.push(tree);
  else if (Array.isArray(tree)) for (const branch of tree) collect(branch, leaves);
  else if (isPlainObject(tree)) for (const key in tree) collect(tree[key], leaves);
}

/** The same tree with each tensor replaced; static leaves are kept. */
export function treeMap<T extends Tree>(tree: T, replace: (leaf: tf.Tensor, position: number) => tf.Tensor): T {
  let position = 0;
  const visit = (branch: unknown): unknown => {
    if (branch instanceof tf.Tensor) return replace(branch, position++);
    if (Array.isArray(branch)) return branch.map(visit);
    if (isPlainObject(branch))
      return Object.fromEntries(Object.entries(branch).map(([key, value]) => [key, visit(value)]));
    return branch;
  };
  return visit(tree) as T;
}

/**
 * A text with its length as prefix, so that its end is known whatever it contains. Quoting would take longer, and this
 * runs at every call.
 */
const measured = (text: string): string => `${text.length} ${text}`;

/**
 * Collects the tensors of `tree` into `leaves` and returns a text that is equal only for trees of equal structure,
 * shapes, dtypes and static values: the key of a trace. `where`: the function, for errors.
 */
export function signatureOf(tree: unknown, leaves: tf.Tensor[], where: string): string {
  if (tree instanceof tf.Tensor) {
    leaves.push(tree);
    return `${tree.dtype}[${tree.shape.join()}]`;
  }
  if (Array.isArray(tree)) return `(${tree.map((branch) => signatureOf(branch, leaves, where)).join(';')})`;
  if (isPlainObject(tree)) {
    let text = '{';
    for (const key in tree) text += `${measured(key)}:${signatureOf(tree[key], leaves, where)};`;
    return `${text}}`;
  }
  if (typeof tree === 'string') return `text ${measured(tree)}`;
  if (tree === null || ['number', 'boolean', 'undefined'].includes(typeof tree))
    return Object.is(tree, -0) ? '-0' : String(tree);
  throw notOfTree(tree, `${where} was given`, 'it takes');
}

/** Throws EngineError if a function's result contains a value that is not a tree: tensors in it would be lost. */
export function checkResult(tree: unknown, where: string): void {
  if (tree instanceof tf.Tensor || tree === null || typeof tree !== 'object') {
    if (typeof tree === 'function') throw notOfTree(tree, `${where} returned`, 'it may return');
  } else if (Array.isArray(tree)) for (const branch of tree) checkResult(branch, where);
  else if (isPlainObject(tree)) for (const key in tree) checkResult(tree[key], where);
  else throw notOfTree(tree, `${where} returned`, 'it may return');
}

function notOfTree(tree: unknown, did: string, may: string): EngineError {
  const kind = typeof tree === 'object' ? (tree?.constructor?.name ?? 'object') : typeof tree;
  return new EngineError(
    `${did} a ${kind}; ${may} tensors, arrays and plain objects of them, numbers, strings and booleans.`,
    {
      code: 'engine.jit-argument',
      hint: 'Make arrays of numbers into tensors first, or close over the value.',
    },
  );
}
