import type { KoffiBinding } from '../native/binding';
import { nativeAttributes } from '../native/attributes';
import { TF } from '../native/dtypes';
import type { OperationNode, Value } from '../program/program';
import type { Tracer } from '../trace/tracer';
import { dtypeAttribute, FLOAT, flag, OperationChain } from './chain';
import { elementCount } from '../shape';

/** Number of parts whose products are combined before the actual reduction (`node test/bench/forms.mjs sums`). */
const PARTS = 4;
/** Minimum number of products for which the rewriting pays. */
const MANY = 1 << 14;

/** The operation with which a reduction combines two numbers. */
const JOINS = { Sum: 'AddV2', Mean: 'AddV2', Max: 'Maximum' } as const;
export type Reduction = keyof typeof JOINS;

/** The reduced value and its axes. */
export interface Reduced {
  readonly id: number;
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/**
 * A reduction of products, x y, or squares, rewritten for XLA as the reduction of x0 y0 + x1 y1 + x2 y2 + x3 y3 (or of
 * their maximum), where the parts are consecutive along one of the axes. XLA leaves a reduction of anything but a
 * product to a library that uses all cores and vector instructions; it materializes a product and reduces it with
 * scalar code. The id is one of `tracer`'s trace; undefined if it is not a product, or one that is small or cannot be
 * split.
 */
export function reducedProduct(
  binding: KoffiBinding,
  tracer: Tracer,
  reduction: Reduction,
  { id, axes, keepDims }: Reduced,
): number | undefined {
  const { producer, dtype, shape } = binding.value(id, reduction, tracer);
  if (producer.kind !== 'operation' || dtype !== 'float32') return undefined;
  if (producer.op !== 'Mul' && producer.op !== 'Square') return undefined;
  const axis = axes.find((candidate) => shape[candidate] % PARTS === 0);
  if (axis === undefined || elementCount(shape) < MANY) return undefined;

  const chain = new OperationChain(binding);
  const idOf = (value: Value): number => chain.keep(binding.addValue(value, tracer).id);
  const parts = productParts(chain, producer, shape, axis, idOf);
  const joined = parts.reduce((a, b) => chain.run(JOINS[reduction], [FLOAT], [a, b]));
  const attributes = [FLOAT, flag('keep_dims', keepDims), dtypeAttribute('Tidx', TF.INT32)];
  const result = chain.run(reduction, attributes, [joined, chain.ints(...axes)]);
  if (reduction !== 'Mean') return chain.end(result);
  const share = chain.keep(binding.createTensor([], TF.FLOAT, [1 / PARTS]));
  return chain.end(chain.run('Mul', [FLOAT], [result, share]));
}

/** The product's parts along an axis, computed from the parts of its operands. */
function productParts(
  chain: OperationChain,
  { op, attributes, inputs }: OperationNode,
  shape: readonly number[],
  axis: number,
  idOf: (value: Value) => number,
): number[] {
  const size = shape[axis] / PARTS;
  const operands = inputs.map((value): number[] => {
    const whole = idOf(value);
    const along = axis - (shape.length - value.shape.length);
    // An operand that is broadcast along the axis is the same in each part.
    if (along < 0 || value.shape[along] === 1) return Array.from({ length: PARTS }, () => whole);
    const sizes = value.shape.map((length, i) => (i === along ? size : length));
    return Array.from({ length: PARTS }, (_, part) => {
      const begin = value.shape.map((_length, i) => (i === along ? part * size : 0));
      return chain.slice(whole, begin, sizes);
    });
  });
  return Array.from({ length: PARTS }, (_, part) =>
    chain.run(
      op,
      nativeAttributes(attributes),
      operands.map((operand) => operand[part]),
    ),
  );
}
