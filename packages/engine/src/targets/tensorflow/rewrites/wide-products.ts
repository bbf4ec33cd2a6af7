import { dtypeOf } from '../../../program/attributes';
import type { ProgramEditor, Rule } from '../../../program/editor';
import type { Value } from '../../../program/program';

/**
 * Products of bfloat16 numbers as products of float32 ones, for XLA, which on CPUs computes them in float32 anyway:
 * operands that were float32 are not rounded first, so that rewritings for float32 apply.
 */
export const wideProducts: Rule = (node, editor) => {
  const { op, attributes, inputs, outputs } = node;
  if ((op !== 'MatMul' && op !== 'BatchMatMulV2') || outputs[0].dtype !== 'bfloat16') return undefined;
  const wide = inputs.map((input) => widened(editor, input));
  return [editor.cast(editor.run(op, { ...attributes, T: dtypeOf('float32') }, wide), 'bfloat16')];
};

function widened(editor: ProgramEditor, value: Value): Value {
  const { producer } = value;
  const wasFloat = producer.kind === 'operation' && producer.op === 'Cast' && producer.inputs[0].dtype === 'float32';
  return wasFloat ? producer.inputs[0] : editor.cast(value, 'float32');
}
