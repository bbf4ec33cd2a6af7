import { attribute } from '../attributes';
import { required, ShapeError, type Call } from './operation';

type Attributed = Pick<Call, 'attributes'>;

/** One dimension of space under a filter or a window. */
export interface Extent {
  /** Where it is in the values' shape. */
  readonly axis: number;
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  readonly dilation: number;
  /** How often the filter fits into it. */
  readonly result: number;
  /** What is padded. */
  readonly before: number;
  readonly after: number;
}

/** Where channels are in a shape of that many dimensions of space. */
export function channelsAt({ attributes }: Attributed, spatial: number): number {
  return attribute(attributes, 'data_format', 'string')?.startsWith('NC') ? 1 : spatial + 1;
}

const firstOfSpace = (call: Attributed, spatial: number): number => (channelsAt(call, spatial) === 1 ? 2 : 1);

/** The dimensions of space of a shape under a pooling's windows. */
export function windowsOf(call: Attributed, shape: readonly number[]): Extent[] {
  const spatial = shape.length - 2;
  const first = firstOfSpace(call, spatial);
  return spaceOf(call, shape, required(call, 'ksize', 'ints').slice(first, first + spatial));
}

/**
 * The dimensions of space of a shape. `filter`: its size in each of them. `dilations`: the attribute with the distances of
 * its numbers. Throws ShapeError if it does not fit, or, unless `mayBeEmpty`, fits nowhere.
 */
export function spaceOf(
  call: Attributed,
  shape: readonly number[],
  filter: readonly number[],
  { dilations = 'dilations', mayBeEmpty = false } = {},
): Extent[] {
  const padding = required(call, 'padding', 'string');
  const strides = required(call, 'strides', 'ints');
  const [distances, explicit] = [dilations, 'explicit_paddings'].map(
    (name) => attribute(call.attributes, name, 'ints') ?? [],
  );
  const first = firstOfSpace(call, filter.length);
  return filter.map((width, i): Extent => {
    const axis = i + first;
    const size = shape[axis];
    const stride = strides[axis];
    const dilation = distances[axis] ?? 1;
    const span = (width - 1) * dilation + 1;
    const own = { axis, size, filter: width, stride, dilation };
    if (padding === 'SAME') {
      const result = Math.ceil(size / stride);
      const missing = Math.max(0, (result - 1) * stride + span - size);
      // The odd one goes to the end.
      return { ...own, result, before: Math.floor(missing / 2), after: Math.ceil(missing / 2) };
    }
    const [before, after] = padding === 'EXPLICIT' ? [explicit[2 * axis] ?? 0, explicit[2 * axis + 1] ?? 0] : [0, 0];
    const result = Math.trunc((size + before + after - span + stride) / stride) + 0;
    if (result < 0 || (result === 0 && !mayBeEmpty))
      throw new ShapeError(`a window of ${span} does not fit into ${size}.`);
    return { ...own, before, after, result };
  });
}
