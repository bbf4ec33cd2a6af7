import type { KoffiBinding } from '../native/binding';
import { TF } from '../native/dtypes';
import { nativeAttributes, type OpAttribute } from '../native/attributes';
import { isSet } from '../program/attributes';
import type { Value } from '../program/program';
import type { Tracer } from '../trace/tracer';
import { dtypeAttribute, FLOAT, OperationChain } from './chain';

/** From this many numbers on (64 MiB) a sum with a product is split; its parts have at most this many. */
const LARGE = 1 << 24;

/** Overwrites a part of its first input. */
const UPDATE = 'TensorStridedSliceUpdate';

const INDEX = dtypeAttribute('Index', TF.INT32);
const MASKS = ['begin', 'end', 'ellipsis', 'new_axis', 'shrink_axis'].map((name): OpAttribute => ({
  name: `${name}_mask`,
  type: 1,
  value: 0,
}));

/**
 * sum + a^T b, rewritten for XLA in slices of rows that overwrite those of the sum. Otherwise the whole product is in
 * memory in addition to the sum: for the gradient of the output table, which is summed over chunks of rows, one more
 * table. `sum` and `product` are ids in `tracer`'s trace; undefined if `product` is not a large product.
 */
export function addLargeProduct(
  binding: KoffiBinding,
  tracer: Tracer,
  sum: number,
  product: number,
): number | undefined {
  const [before, { producer, dtype, shape }] = [sum, product].map((id) => binding.value(id, 'Add', tracer));
  if (producer.kind !== 'operation' || producer.op !== 'MatMul' || dtype !== 'float32') return undefined;
  // For any other sum, the product and its operands would have to stay in memory longer.
  if (before.producer.kind !== 'operation' || !['MatMul', UPDATE].includes(before.producer.op)) return undefined;
  const [rows, width] = shape;
  if (rows * width < LARGE || before.shape.join() !== shape.join()) return undefined;
  if (!isSet(producer.attributes, 'transpose_a') || isSet(producer.attributes, 'transpose_b')) return undefined;

  const chain = new OperationChain(binding);
  const idOf = (value: Value): number => chain.keep(binding.addValue(value, tracer).id);
  const [a, b] = producer.inputs.map(idOf);
  const depth = producer.inputs[0].shape[0];
  const step = Math.ceil(rows / Math.ceil((rows * width) / LARGE));
  let result = idOf(before);
  for (let from = 0; from < rows; from += step) {
    const size = Math.min(step, rows - from);
    const part = chain.run('MatMul', nativeAttributes(producer.attributes), [chain.slice(a, [0, from], [depth, size]), b]); // [size, width]
    const added = chain.run('AddV2', [FLOAT], [chain.slice(result, [from, 0], [size, width]), part]);
    const [begin, end, strides] = [chain.ints(from, 0), chain.ints(from + size, width), chain.ints(1, 1)];
    result = chain.run(UPDATE, [FLOAT, INDEX, ...MASKS], [result, begin, end, strides, added]);
  }
  return chain.end(result);
}
