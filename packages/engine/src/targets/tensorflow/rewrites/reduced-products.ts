import { dtypeOf, flagOf, isSet } from '../../../program/attributes';
import type { ProgramEditor, Rule } from '../../../program/editor';
import { axisOf, hostValues } from '../../../program/operations';
import type { OperationNode, Value } from '../../../program/program';
import { elementCount } from '../../../shape';

/** Number of parts whose products are combined before the actual reduction (`node test/bench/forms.mjs sums`). */
const PARTS = 4;
/** Minimum number of products for which the rewriting pays. */
const MANY = 1 << 14;

/** The operation with which a reduction combines two numbers. */
const JOINS: Readonly<Record<string, string>> = { Sum: 'AddV2', Mean: 'AddV2', Max: 'Maximum' };

/**
 * A reduction of products, x y, or squares, rewritten for XLA as the reduction of x0 y0 + x1 y1 + x2 y2 + x3 y3 (or of
 * their maximum), where the parts are consecutive along one of the axes. XLA leaves a reduction of anything but a
 * product to a library that uses all cores and vector instructions; it materializes a product and reduces it with
 * scalar code.
 */
export const reducedProducts: Rule = (node, editor) => {
  const join = Object.hasOwn(JOINS, node.op) ? JOINS[node.op] : undefined;
  if (!join) return undefined;
  const { producer, dtype, shape } = node.inputs[0];
  if (producer.kind !== 'operation' || dtype !== 'float32') return undefined;
  if (producer.op !== 'Mul' && producer.op !== 'Square') return undefined;
  const axes = hostValues(node, 1).map((axis) => axisOf(axis, shape.length));
  const axis = axes.find((candidate) => shape[candidate] % PARTS === 0);
  if (axis === undefined || elementCount(shape) < MANY) return undefined;

  const float = dtypeOf('float32');
  const joined = productParts(editor, producer, shape, axis).reduce((a, b) => editor.run(join, { T: float }, [a, b]));
  const attributes = { T: float, keep_dims: flagOf(isSet(node.attributes, 'keep_dims')), Tidx: dtypeOf('int32') };
  const result = editor.run(node.op, attributes, [joined, editor.ints(axes)]);
  return [node.op === 'Mean' ? editor.multiply(result, editor.float(1 / PARTS)) : result];
};

/** The product's parts along an axis, computed from the parts of its operands. */
function productParts(
  editor: ProgramEditor,
  { op, attributes, inputs }: OperationNode,
  shape: readonly number[],
  axis: number,
): Value[] {
  const size = shape[axis] / PARTS;
  const operands = inputs.map((whole): Value[] => {
    const along = axis - (shape.length - whole.shape.length);
    // An operand that is broadcast along the axis is the same in each part.
    if (along < 0 || whole.shape[along] === 1) return Array.from({ length: PARTS }, () => whole);
    const sizes = whole.shape.map((length, i) => (i === along ? size : length));
    return Array.from({ length: PARTS }, (_, part) => {
      const begin = whole.shape.map((_length, i) => (i === along ? part * size : 0));
      return editor.slice(whole, begin, sizes);
    });
  });
  return Array.from({ length: PARTS }, (_, part) =>
    editor.run(
      op,
      attributes,
      operands.map((operand) => operand[part]),
    ),
  );
}
