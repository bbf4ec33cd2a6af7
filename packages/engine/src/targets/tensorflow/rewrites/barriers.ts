import { dtypeOf, intOf } from '../../../program/attributes';
import type { Rule } from '../../../program/editor';
import { elementCount } from '../../../shape';

/**
 * A barrier, rewritten for XLA: its CPU compiler forgets optimization barriers before it decides on an order. The first
 * result becomes a sum with 0 * x of a number of each other input. XLA may not fold 0 * x to 0, since x may be
 * non-finite, so the dependency survives; if x is non-finite, nothing else is finite either.
 */
export const barriers: Rule = ({ op, inputs: [first, ...others] }, editor) => {
  if (op !== 'IdentityN') return undefined;
  const numbers = others
    .filter(({ shape }) => elementCount(shape) > 0)
    .map((other) => editor.cast(editor.slice(editor.reshape(other, -1), [0], [1]), 'float32'));
  if (numbers.length === 0) return [first, ...others];
  const float = dtypeOf('float32');
  const one = editor.run('AddN', { T: float, N: intOf(numbers.length) }, numbers); // [1]
  const zero = editor.multiply(editor.reshape(one), editor.float(0));
  return [editor.plus(first, editor.cast(zero, first.dtype)), ...others];
};
