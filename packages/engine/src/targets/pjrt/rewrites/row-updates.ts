import { attribute, dtypeOf, flagOf } from '../../../program/attributes';
import type { Rule } from '../../../program/editor';
import type { Value } from '../../../program/program';
import { fromBytes } from '../../../program/bytes';

const INT32 = dtypeOf('int32');

/**
 * A scatter of one number into each row of a matrix, as a choice between the row and that number by comparing the
 * columns' numbers. An accelerator scatters by copying the matrix first and then writing to it in a pass of its own; a
 * choice is computed where the matrix is. The gradient of cross-entropy is such a scatter into logits [N, V].
 */
export const rowUpdates: Rule = ({ op, inputs: [matrix, indices, updates] }, editor) => {
  if (op !== 'TensorScatterUpdate' || matrix.shape.length !== 2) return undefined;
  const columns = columnsOf(indices, matrix.shape[0]);
  if (!columns) return undefined;
  const [rows, width] = matrix.shape;
  const all = editor.run('Range', { Tidx: INT32 }, [editor.ints(0), editor.ints(width), editor.ints(1)]);
  const isHere = editor.run('Equal', { T: INT32, incompatible_shape_error: flagOf(true) }, [
    editor.reshape(all, 1, width),
    editor.reshape(columns, rows, 1),
  ]); // [rows, width]
  return [editor.run('SelectV2', { T: dtypeOf(matrix.dtype) }, [isHere, editor.reshape(updates, rows, 1), matrix])];
};

/** The column of each row, int32 [rows], if `indices` are the pairs of row and column of all rows in order. */
function columnsOf({ producer }: Value, rows: number): Value | undefined {
  if (producer.kind !== 'operation' || producer.op !== 'Pack') return undefined;
  if (attribute(producer.attributes, 'axis', 'int') !== 1 || producer.inputs.length !== 2) return undefined;
  const [first, columns] = producer.inputs;
  return columns.shape.join() === String(rows) && countsUp(first) ? columns : undefined;
}

/** Whether a value is 0, 1, 2, ... */
function countsUp({ producer }: Value): boolean {
  if (producer.kind !== 'operation' || producer.op !== 'Range') return false;
  const [start, , step] = producer.inputs.map(numberOf);
  return start === 0 && step === 1;
}

function numberOf({ producer, dtype }: Value): number | undefined {
  return producer.kind === 'constant' ? Number(fromBytes(producer.bytes, dtype)[0]) : undefined;
}
