import type { KoffiBinding } from '../native/binding';
import { TF } from '../native/dtypes';
import type { OperationNode, Value } from '../trace/program';
import type { Tracer } from '../trace/tracer';
import { dtypeAttribute, FLOAT, flag, OperationChain } from './chain';
import { elementCount } from '../shape';

/** Parts whose products are put together before the reduction proper (`node test/bench/forms.mjs sums`). */
const PARTS = 4;
/** From this many products on it pays off. */
const MANY = 1 << 14;

/** What a reduction puts two numbers together with. */
const JOINS = { Sum: 'AddV2', Mean: 'AddV2', Max: 'Maximum' } as const;
export type Reduction = keyof typeof JOINS;

/** Of what over which axes of it. */
export interface Reduced {
  readonly id: number;
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/**
 * A reduction of products, x y, or squares, said to XLA as that of x0 y0 + x1 y1 + x2 y2 + x3 y3 (or of the largest of them),
 * where the parts lie one behind the other along one of the axes. A reduction of anything but a product XLA leaves to a
 * library, which uses all cores and their vectors; a product it lays down whole, and adds up number by number.
 * The id is one of `tracer`'s trace; undefined where it stands for no product, a small one, or one that cannot be parted.
 */
export function reducedProduct(
  binding: KoffiBinding,
  tracer: Tracer,
  reduction: Reduction,
  { id, axes, keepDims }: Reduced,
): number | undefined {
  const { producer, dtype, shape } = binding.value(id, reduction, tracer);
  if (producer.kind !== 'operation' || dtype !== TF.FLOAT) return undefined;
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

/** The product's parts along an axis of its shape, of its operands' parts. */
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
    // What is repeated along the axis is the same in each part.
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
      attributes,
      operands.map((operand) => operand[part]),
    ),
  );
}
