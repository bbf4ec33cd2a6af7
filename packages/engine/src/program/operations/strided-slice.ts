import { attribute } from '../attributes';
import { hostValues, input, ShapeError, shapeText, type Call } from './operation';

/** What a strided slice takes of one dimension: `length` places from `from` on. */
export interface Taken {
  readonly from: number;
  readonly length: number;
  readonly stride: number;
}

export interface StridedSlice {
  /** For each dimension of the input. */
  readonly taken: readonly Taken[];
  /** Of the part: without the dimensions of which one place is named, with new ones of the size 1. */
  readonly shape: readonly number[];
}

/** NumPy's slices: `begin`, `end` and `strides` as host operands, and TensorFlow's five masks as attributes. */
export function stridedSlice(call: Pick<Call, 'inputs' | 'attributes'>): StridedSlice {
  const { shape } = input(call, 0);
  const [begin, end, strides] = [1, 2, 3].map((at) => hostValues(call, at));
  const isMasked = (name: string, at: number): boolean =>
    ((attribute(call.attributes, `${name}_mask`, 'int') ?? 0) & (1 << at)) !== 0;
  const consumed = begin.filter((_, at) => !isMasked('ellipsis', at) && !isMasked('new_axis', at)).length;
  if (consumed > shape.length)
    throw new ShapeError(`${consumed} dimensions are sliced, but the shape ${shapeText(shape)} has ${shape.length}.`);
  const taken: Taken[] = [];
  const seen: number[] = [];
  const takeWhole = (count: number): void => {
    for (const length of shape.slice(taken.length, taken.length + count)) {
      taken.push({ from: 0, length, stride: 1 });
      seen.push(length);
    }
  };
  begin.forEach((place, at) => {
    if (isMasked('ellipsis', at)) return takeWhole(shape.length - consumed);
    if (isMasked('new_axis', at)) return void seen.push(1);
    const size = shape[taken.length];
    const stride = strides[at];
    if (stride === 0) throw new ShapeError('a stride is 0.');
    if (isMasked('shrink_axis', at)) {
      taken.push(onePlace(size, place, stride));
      return undefined;
    }
    const one = placesOf(size, {
      begin: isMasked('begin', at) ? undefined : place,
      end: isMasked('end', at) ? undefined : end[at],
      stride,
    });
    taken.push(one);
    seen.push(one.length);
    return undefined;
  });
  takeWhole(shape.length - taken.length);
  return { taken, shape: seen };
}

function onePlace(size: number, place: number, stride: number): Taken {
  if (stride < 0) throw new ShapeError('a single place is taken with a negative stride.');
  if (place < -size || place >= size) throw new ShapeError(`place ${place} is outside of a dimension of ${size}.`);
  return { from: place < 0 ? place + size : place, length: 1, stride: 1 };
}

/** undefined: from the dimension's start, up to its end, in the direction of the stride. */
function placesOf(
  size: number,
  { begin, end, stride }: { readonly begin?: number; readonly end?: number; readonly stride: number },
): Taken {
  const [lowest, highest] = stride > 0 ? [0, size] : [-1, size - 1];
  const clamp = (place: number): number => Math.min(Math.max(place < 0 ? place + size : place, lowest), highest);
  const from = begin === undefined ? (stride > 0 ? lowest : highest) : clamp(begin);
  const to = end === undefined ? (stride > 0 ? highest : lowest) : clamp(end);
  return { from, length: Math.max(0, Math.ceil((to - from) / stride)), stride };
}
