import { dtypeOf, flagOf, isSet } from '../../../program/attributes';
import type { ProgramEditor, Rule } from '../../../program/editor';
import type { OperationNode, Value } from '../../../program/program';

/** Maximum number of rows, and minimum number of weights, for which the rewriting pays (npm run bench: generation). */
const FEW_ROWS = 32;
const MANY_WEIGHTS = 1 << 16;

/**
 * A few rows times a large stored matrix, as in decoding. XLA's CPU code runs a plain product of that kind on one
 * thread, or copies the whole matrix for it. It runs a batch of transposed products of the matrix's parts in parallel:
 * 1.4 times as fast for one row, 1.7 times for eight, on two cores.
 */
export const fewRows =
  (threads: number): Rule =>
  (node, editor) => {
    const parts = partsOf(node, threads);
    return parts === undefined ? undefined : [inParts(editor, node.inputs, parts)];
  };

/** Number of parts in which XLA should multiply [rows, in] by [out, in] transposed; undefined: its own choice. */
function partsOf({ op, attributes, inputs: [a, b] }: OperationNode, threads: number): number | undefined {
  if (op !== 'MatMul' || a.dtype !== 'float32') return undefined;
  if (isSet(attributes, 'transpose_a') || !isSet(attributes, 'transpose_b')) return undefined;
  const [rows, [out, width]] = [a.shape[0], b.shape];
  if (rows > FEW_ROWS || out * width < MANY_WEIGHTS) return undefined;
  // XLA distributes a product of several rows over threads once it is in a batch, but not a product of one row.
  if (rows > 1) return 1;
  for (let parts = Math.min(threads, 16); parts > 1; parts--) if (out % parts === 0) return parts;
  return undefined;
}

function inParts(editor: ProgramEditor, [a, b]: readonly Value[], parts: number): Value {
  const [rows, [out, width]] = [a.shape[0], b.shape];
  const float = dtypeOf('float32');
  const repeated = editor.run('Tile', { T: float, Tmultiples: dtypeOf('int32') }, [
    editor.reshape(a, 1, rows, width),
    editor.ints([parts, 1, 1]),
  ]); // [parts, rows, in]
  const product = editor.run('BatchMatMulV2', { T: float, adj_x: flagOf(false), adj_y: flagOf(true) }, [
    editor.reshape(b, parts, out / parts, width),
    repeated,
  ]); // [parts, out / parts, rows]
  return editor.reshape(editor.transpose(product, 2, 0, 1), rows, out);
}
