import { attribute } from '../attributes';
import type { ValueType } from '../program';
import { hostValues, input, ShapeError, shapeText, type Call } from './operation';

/** NumPy's slices: `begin`, `end` and `strides` as host operands, and TensorFlow's five masks as attributes. */
export function stridedSlice(call: Call): ValueType {
  const { dtype, shape } = input(call, 0);
  const [begin, end, strides] = [1, 2, 3].map((at) => hostValues(call, at));
  const isMasked = (name: string, at: number): boolean =>
    ((attribute(call.attributes, `${name}_mask`, 'int') ?? 0) & (1 << at)) !== 0;
  const isEllipsis = begin.map((_, at) => isMasked('ellipsis', at));
  const isNew = begin.map((_, at) => !isEllipsis[at] && isMasked('new_axis', at));
  const consumed = begin.filter((_, at) => !isEllipsis[at] && !isNew[at]).length;
  if (consumed > shape.length)
    throw new ShapeError(`${consumed} dimensions are sliced, but the shape ${shapeText(shape)} has ${shape.length}.`);
  const result: number[] = [];
  let axis = 0;
  begin.forEach((_, at) => {
    if (isEllipsis[at]) {
      result.push(...shape.slice(axis, axis + shape.length - consumed));
      axis += shape.length - consumed;
    } else if (isNew[at]) {
      result.push(1);
    } else {
      const size = shape[axis++];
      if (strides[at] === 0) throw new ShapeError('a stride is 0.');
      if (isMasked('shrink_axis', at)) {
        if (strides[at] < 0) throw new ShapeError('a single place is taken with a negative stride.');
        if (begin[at] < -size || begin[at] >= size)
          throw new ShapeError(`place ${begin[at]} is outside of a dimension of ${size}.`);
        return;
      }
      result.push(
        lengthOf(
          size,
          isMasked('begin', at) ? undefined : begin[at],
          isMasked('end', at) ? undefined : end[at],
          strides[at],
        ),
      );
    }
  });
  return { dtype, shape: [...result, ...shape.slice(axis)] };
}

/** How many places a slice takes of a dimension; undefined: from its start, up to its end. */
function lengthOf(size: number, begin: number | undefined, end: number | undefined, stride: number): number {
  const clamp = (place: number): number => {
    const counted = place < 0 ? place + size : place;
    return stride > 0 ? Math.min(Math.max(counted, 0), size) : Math.min(Math.max(counted, -1), size - 1);
  };
  const from = begin === undefined ? (stride > 0 ? 0 : size - 1) : clamp(begin);
  const to = end === undefined ? (stride > 0 ? size : -1) : clamp(end);
  return Math.max(0, Math.ceil((to - from) / stride));
}
