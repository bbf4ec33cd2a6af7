import { attribute } from '../../program/attributes';
import type { Lowering } from './rule';

/** One dimension of space under a filter or a window. */
export interface Extent {
  /** Where it is in the values' shape. */
  readonly axis: number;
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  readonly dilation: number;
  readonly result: number;
  readonly before: number;
  readonly after: number;
}

export interface Space {
  readonly channels: number;
  readonly extents: readonly Extent[];
}

/** Where channels are in a shape of that many dimensions of space. */
export function channelsAt({ attributes }: Pick<Lowering, 'attributes'>, spatial: number): number {
  return attribute(attributes, 'data_format', 'string')?.startsWith('NC') ? 1 : spatial + 1;
}

/** `filter`: its size in each dimension of space. */
export function spaceOf(call: Lowering, shape: readonly number[], filter: readonly number[]): Space {
  const { attributes } = call;
  const channels = channelsAt(call, filter.length);
  const padding = attribute(attributes, 'padding', 'string');
  const strides = attribute(attributes, 'strides', 'ints') ?? [];
  const dilations = attribute(attributes, 'dilations', 'ints') ?? [];
  const explicit = attribute(attributes, 'explicit_paddings', 'ints') ?? [];
  const extents = filter.map((size, i): Extent => {
    const axis = i + (channels === 1 ? 2 : 1);
    const stride = strides[axis] ?? 1;
    const dilation = dilations[axis] ?? 1;
    const span = (size - 1) * dilation + 1;
    const own = { axis, size: shape[axis], filter: size, stride, dilation };
    if (padding === 'SAME') {
      const result = Math.ceil(shape[axis] / stride);
      const missing = Math.max(0, (result - 1) * stride + span - shape[axis]);
      // The odd one goes to the end.
      return { ...own, result, before: Math.floor(missing / 2), after: Math.ceil(missing / 2) };
    }
    const [before, after] = padding === 'EXPLICIT' ? [explicit[2 * axis] ?? 0, explicit[2 * axis + 1] ?? 0] : [0, 0];
    return { ...own, before, after, result: Math.floor((shape[axis] + before + after - span) / stride) + 1 };
  });
  return { channels, extents };
}
