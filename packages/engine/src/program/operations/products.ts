import { isSet } from '../attributes';
import type { ValueType } from '../program';
import {
  broadcastShape,
  expectRank,
  input,
  required,
  sameDType,
  ShapeError,
  shapeText,
  type Call,
  type Operations,
} from './operation';

/** [m, k] times [k, n] with the sizes of two matrices, each possibly transposed. */
function matrixProduct(a: readonly number[], b: readonly number[], transposeA: boolean, transposeB: boolean): number[] {
  const [rows, depth] = transposeA ? [a[1], a[0]] : a;
  const [other, columns] = transposeB ? [b[1], b[0]] : b;
  if (depth !== other)
    throw new ShapeError(
      `the inner dimensions of ${shapeText(a)}${transposeA ? ' transposed' : ''} and ${shapeText(b)}${transposeB ? ' transposed' : ''} differ: ${depth} and ${other}.`,
    );
  return [rows, columns];
}

function matMul(call: Call): ValueType[] {
  const [a, b] = [input(call, 0), input(call, 1)];
  expectRank(a, 2, 'its first input');
  expectRank(b, 2, 'its second input');
  const shape = matrixProduct(
    a.shape,
    b.shape,
    isSet(call.attributes, 'transpose_a'),
    isSet(call.attributes, 'transpose_b'),
  );
  return [{ dtype: sameDType([a, b]), shape }];
}

function batchMatMul(call: Call): ValueType[] {
  const [a, b] = [input(call, 0), input(call, 1)];
  for (const { shape } of [a, b])
    if (shape.length < 2) throw new ShapeError(`its inputs must have two dimensions or more, not ${shapeText(shape)}.`);
  const outer = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const inner = matrixProduct(
    a.shape.slice(-2),
    b.shape.slice(-2),
    isSet(call.attributes, 'adj_x'),
    isSet(call.attributes, 'adj_y'),
  );
  return [{ dtype: sameDType([a, b]), shape: [...outer, ...inner] }];
}

/** `ij,jk->ik`; dimensions that an ellipsis stands for are broadcast. */
function einsum(call: Call): ValueType[] {
  const equation = required(call, 'equation', 'string').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  if (right === undefined) throw new ShapeError(`its equation "${equation}" has no "->".`);
  const operands = left.split(',');
  if (operands.length !== call.inputs.length)
    throw new ShapeError(`its equation "${equation}" is for ${operands.length} inputs, not ${call.inputs.length}.`);
  const sizes = new Map<string, number>();
  let between: number[] = [];
  operands.forEach((labels, at) => {
    const { shape } = input(call, at);
    const [before, after] = labels.split('...');
    const hidden = after === undefined ? 0 : shape.length - before.length - after.length;
    if (hidden < 0 || (after === undefined && before.length !== shape.length))
      throw new ShapeError(`"${labels}" of "${equation}" does not fit the shape ${shapeText(shape)}.`);
    between = broadcastShape(between, shape.slice(before.length, before.length + hidden));
    const named = [...before, ...(after ?? '')];
    const dims = [...shape.slice(0, before.length), ...shape.slice(before.length + hidden)];
    named.forEach((label, i) => {
      const known = sizes.get(label);
      if (known !== undefined && known !== dims[i])
        throw new ShapeError(`"${label}" of "${equation}" is both ${known} and ${dims[i]}.`);
      sizes.set(label, dims[i]);
    });
  });
  const [before, after = ''] = right.split('...');
  const sizeOf = (label: string): number => {
    const size = sizes.get(label);
    if (size === undefined) throw new ShapeError(`"${label}" of "${equation}" is in none of its inputs.`);
    return size;
  };
  const shape = [...[...before].map(sizeOf), ...(right.includes('...') ? between : []), ...[...after].map(sizeOf)];
  return [{ dtype: sameDType(call.inputs), shape }];
}

export const products: Operations = {
  MatMul: { infer: matMul },
  BatchMatMulV2: { infer: batchMatMul },
  Einsum: { infer: einsum },
};
