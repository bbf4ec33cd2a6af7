import { dtypeOf, intOf, isSet, type Attributes } from '../../../program/attributes';
import type { Rule } from '../../../program/editor';
import type { OperationNode, Value } from '../../../program/program';

/** From this many numbers on (64 MiB) a sum with a product is split; its parts have at most this many. */
const LARGE = 1 << 24;

/** Overwrites a part of its first input. */
const UPDATE = 'TensorStridedSliceUpdate';
const UPDATE_ATTRIBUTES: Attributes = {
  T: dtypeOf('float32'),
  Index: dtypeOf('int32'),
  ...Object.fromEntries(
    ['begin', 'end', 'ellipsis', 'new_axis', 'shrink_axis'].map((name) => [`${name}_mask`, intOf(0)]),
  ),
};

/**
 * sum + a^T b, rewritten for XLA in slices of rows that overwrite those of the sum. Otherwise the whole product is in
 * memory in addition to the sum: for the gradient of the output table, which is summed over chunks of rows, one more
 * table.
 */
export const largeSums: Rule = ({ op, inputs: [before, product] }, editor) => {
  if (op !== 'Add' && op !== 'AddV2') return undefined;
  const { shape } = product;
  const producer = transposedProduct(product);
  if (!producer) return undefined;
  // For any other sum, the product and its operands would have to stay in memory longer.
  if (before.producer.kind !== 'operation' || !['MatMul', UPDATE].includes(before.producer.op)) return undefined;
  const [rows, width] = shape;
  if (rows * width < LARGE || before.shape.join() !== shape.join()) return undefined;

  const [a, b] = producer.inputs;
  const depth = a.shape[0];
  const step = Math.ceil(rows / Math.ceil((rows * width) / LARGE));
  let result = before;
  for (let from = 0; from < rows; from += step) {
    const size = Math.min(step, rows - from);
    const part = editor.run('MatMul', producer.attributes, [editor.slice(a, [0, from], [depth, size]), b]); // [size, width]
    const added = editor.plus(editor.slice(result, [from, 0], [size, width]), part);
    const [begin, end, strides] = [editor.ints([from, 0]), editor.ints([from + size, width]), editor.ints([1, 1])];
    result = editor.run(UPDATE, UPDATE_ATTRIBUTES, [result, begin, end, strides, added]);
  }
  return [result];
};

/** The product a^T b of float32 behind a value, if it is one. */
function transposedProduct({ dtype, producer }: Value): OperationNode | undefined {
  if (dtype !== 'float32' || producer.kind !== 'operation' || producer.op !== 'MatMul') return undefined;
  const { attributes } = producer;
  return isSet(attributes, 'transpose_a') && !isSet(attributes, 'transpose_b') ? producer : undefined;
}
