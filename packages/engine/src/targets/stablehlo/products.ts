import { isSet } from '../../program/attributes';
import { broadcastShape } from '../../program/operations/operation';
import { elementCount } from '../../shape';
import { dot } from './dot';
import { einsum } from './einsum';
import type { Emitter, Hlo } from './emitter';
import type { Rule, Rules } from './rule';

/** Conjugated; the value itself unless it is complex. */
function conjugated(to: Emitter, x: Hlo): Hlo {
  if (x.dtype !== 'complex64') return x;
  const [real, imaginary] = ['real', 'imag'].map((op) => to.op(op, [x], { dtype: 'float32', shape: x.shape }));
  return to.op('complex', [real, to.same('negate', imaginary)], x);
}

const matMul: Rule = ({ to, inputs: [a, b], attributes }) =>
  dot(to, a, b, {
    batch: [[], []],
    summed: [[isSet(attributes, 'transpose_a') ? 0 : 1], [isSet(attributes, 'transpose_b') ? 1 : 0]],
  });

const batchMatMul: Rule = ({ to, inputs, attributes, types }) => {
  const adjoint = [isSet(attributes, 'adj_x'), isSet(attributes, 'adj_y')];
  const [a, b] = inputs.map((x, at) => (adjoint[at] ? conjugated(to, x) : x));
  // From the end: the dimension that is summed over.
  const summedOf = ({ shape }: Hlo, at: number): number => shape.length - (adjoint[at] === (at === 0) ? 2 : 1);
  const outers = [a, b].map(({ shape }) => shape.slice(0, -2));
  if (elementCount(outers[1]) === 1) {
    // One matrix for all: its products need no batch.
    const matrix = to.reshape(b, b.shape.slice(-2));
    const product = dot(to, a, matrix, { batch: [[], []], summed: [[summedOf(a, 0)], [summedOf(matrix, 1)]] });
    return to.reshape(product, types[0].shape);
  }
  const outer = broadcastShape(outers[0], outers[1]);
  const [x, y] = [a, b].map((value) => to.broadcastTo(value, [...outer, ...value.shape.slice(-2)]));
  const batch = outer.map((_, axis) => axis);
  return dot(to, x, y, { batch: [batch, batch], summed: [[summedOf(x, 0)], [summedOf(y, 1)]] });
};

/** Products of matrices. */
export const products: Rules = { MatMul: matMul, BatchMatMulV2: batchMatMul, Einsum: einsum };
