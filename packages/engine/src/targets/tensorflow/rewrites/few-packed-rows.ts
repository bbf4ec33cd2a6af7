/** Shapes: r rows, o outputs, w words of a row of the matrix, which holds 2 w numbers; b blocks of L words. */
import { dtypeOf, isSet } from '../../../program/attributes';
import type { ProgramEditor, Rule } from '../../../program/editor';
import type { OperationNode, Program, Value } from '../../../program/program';

/** Maximum number of rows, and minimum number of weights, for which the rewriting pays (`test/bench/forms.mjs rows`). */
const FEW_ROWS = 4;
const MANY_WEIGHTS = 1 << 16;
/** Words in one vector of the widest registers. */
const LANES = 16;

/**
 * A few rows times a large matrix of packed bfloat16 numbers, as in decoding, rewritten for XLA as float32 sums: each
 * word's halves become two float32 numbers by a shift and a mask, and 16 sums go along each row of the matrix. XLA fuses
 * that into one loop that reads the words once and nothing else. The product itself it would compute from a float32
 * copy of the matrix.
 */
export const fewPackedRows: Rule = (node, editor) => {
  const words = wordsOf(node);
  if (!words) return undefined;
  const [a] = node.inputs;
  return [editor.cast(sums(editor, editor.cast(a, 'float32'), words), node.outputs[0].dtype)];
};

/** Whether a program has such products. */
export const hasFewPackedRows = (program: Program): boolean =>
  program.nodes.some((node) => node.kind === 'operation' && wordsOf(node) !== undefined);

/** The packed matrix, int32 [o, w], of such a product [r, 2 w] times [o, 2 w] transposed. */
function wordsOf({ op, attributes, inputs: [a, b] }: OperationNode): Value | undefined {
  if (op !== 'MatMul' || isSet(attributes, 'transpose_a') || !isSet(attributes, 'transpose_b')) return undefined;
  const [out, width] = b.shape;
  if (a.shape[0] > FEW_ROWS || out * width < MANY_WEIGHTS || width % (2 * LANES) !== 0) return undefined;
  const narrow = b.dtype === 'float32' ? inputOf(b, 'Cast') : b;
  const words = narrow?.dtype === 'bfloat16' ? inputOf(inputOf(narrow, 'Reshape'), 'Bitcast') : undefined;
  return words?.dtype === 'int32' && words.shape.join() === `${out},${width / 2}` ? words : undefined;
}

function inputOf(value: Value | undefined, op: string): Value | undefined {
  const producer = value?.producer;
  return producer?.kind === 'operation' && producer.op === op ? producer.inputs[0] : undefined;
}

/** x float32 [r, 2 w] times words [o, w]: [r, o]. */
function sums(editor: ProgramEditor, x: Value, words: Value): Value {
  const [rows] = x.shape;
  const [out, width] = words.shape;
  const pairs = editor.reshape(x, rows, width, 2);
  const [even, odd] = [0, 1].map((at) =>
    editor.reshape(editor.slice(pairs, [0, 0, at], [rows, width, 1]), 1, rows, width),
  ); // [1, r, w]
  const terms: Value[] = [];
  for (let at = 0; at < width; at += LANES) {
    const part = editor.reshape(editor.slice(words, [0, at], [out, LANES]), out, 1, LANES); // [o, 1, L]
    const of = (factor: Value): Value => editor.slice(factor, [0, 0, at], [1, rows, LANES]);
    terms.push(editor.multiply(of(even), float(editor, 'LeftShift', part, 16)));
    terms.push(editor.multiply(of(odd), float(editor, 'BitwiseAnd', part, UPPER_HALF)));
  }
  const lanes = editor.sum(terms); // [o, r, L]
  const attributes = { T: dtypeOf('float32'), Tidx: dtypeOf('int32') };
  const summed = editor.run('Sum', attributes, [lanes, editor.ints([2])]); // [o, r]
  return editor.transpose(summed, 1, 0);
}

const UPPER_HALF = 0xffff0000 | 0;

/** The float32 numbers whose bits an operation on words gives. */
function float(editor: ProgramEditor, op: string, words: Value, operand: number): Value {
  const bits = editor.run(op, { T: dtypeOf('int32') }, [words, editor.ints(operand)]);
  return editor.run('Bitcast', { T: dtypeOf('int32'), type: dtypeOf('float32') }, [bits]);
}
