import { attribute } from '../attributes';
import type { ValueType } from '../program';
import {
  each,
  expectRank,
  hostValues,
  input,
  replaceAt,
  required,
  sameDType,
  ShapeError,
  shapeText,
  type Call,
  type Operations,
} from './operation';

/** Where batch, channels and space are in a shape; `spatial` dimensions of space. */
function places(call: Call, spatial: number): { channels: number; space: number[] } {
  const format = attribute(call.attributes, 'data_format', 'string') ?? '';
  const first = format.startsWith('NC');
  return {
    channels: first ? 1 : spatial + 1,
    space: Array.from({ length: spatial }, (_, i) => i + (first ? 2 : 1)),
  };
}

interface Window {
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: string;
  /** For the padding EXPLICIT: both sides together. */
  readonly explicit: number;
  /** Whether the result may be without a window. */
  readonly mayBeEmpty?: boolean;
}

/** How often a filter fits into a dimension. */
function windows({ size, filter, stride, dilation, padding, explicit, mayBeEmpty }: Window): number {
  if (padding === 'SAME') return Math.ceil(size / stride);
  const span = (filter - 1) * dilation + 1;
  const length = Math.trunc((size + (padding === 'EXPLICIT' ? explicit : 0) - span + stride) / stride) + 0;
  if (length < 0 || (length === 0 && !mayBeEmpty))
    throw new ShapeError(`a window of ${span} does not fit into ${size}.`);
  return length;
}

/** The space of a convolution's or a pooling's result. `filter`: its size in each dimension of space. */
function spaceOf(call: Call, shape: readonly number[], space: readonly number[], filter: readonly number[]): number[] {
  const padding = required(call, 'padding', 'string');
  const strides = required(call, 'strides', 'ints');
  const dilations = attribute(call.attributes, 'dilations', 'ints') ?? [];
  const explicit = attribute(call.attributes, 'explicit_paddings', 'ints') ?? [];
  return space.map((axis, i) =>
    windows({
      size: shape[axis],
      filter: filter[i],
      stride: strides[axis],
      dilation: dilations[axis] ?? 1,
      padding,
      explicit: (explicit[2 * axis] ?? 0) + (explicit[2 * axis + 1] ?? 0),
    }),
  );
}

function withSpace(shape: readonly number[], space: readonly number[], sizes: readonly number[]): number[] {
  const result = [...shape];
  space.forEach((axis, i) => (result[axis] = sizes[i]));
  return result;
}

/** Filters are [..space, channels in, channels out]. */
function convolution(spatial: number): (call: Call) => ValueType[] {
  return (call) => {
    const [values, filter] = [input(call, 0), input(call, 1)];
    expectRank(values, spatial + 2, 'its input');
    expectRank(filter, spatial + 2, 'its filter');
    const { channels, space } = places(call, spatial);
    const [inside, outside] = filter.shape.slice(spatial);
    if (values.shape[channels] % inside !== 0)
      throw new ShapeError(
        `its input ${shapeText(values.shape)} has ${values.shape[channels]} channels, the filter ${shapeText(filter.shape)} takes ${inside}.`,
      );
    const groups = values.shape[channels] / inside;
    if (outside % groups !== 0)
      throw new ShapeError(`its ${outside} filters cannot be shared by ${groups} groups of channels.`);
    const sizes = spaceOf(call, values.shape, space, filter.shape);
    return [
      {
        dtype: sameDType([values, filter]),
        shape: replaceAt(withSpace(values.shape, space, sizes), channels, outside),
      },
    ];
  };
}

function depthwise(call: Call): ValueType[] {
  const [values, filter] = [input(call, 0), input(call, 1)];
  expectRank(values, 4, 'its input');
  expectRank(filter, 4, 'its filter');
  const { channels, space } = places(call, 2);
  if (values.shape[channels] !== filter.shape[2])
    throw new ShapeError(
      `its input ${shapeText(values.shape)} has ${values.shape[channels]} channels, the filter ${shapeText(filter.shape)} takes ${filter.shape[2]}.`,
    );
  const sizes = spaceOf(call, values.shape, space, filter.shape);
  const outside = filter.shape[2] * filter.shape[3];
  return [
    { dtype: sameDType([values, filter]), shape: replaceAt(withSpace(values.shape, space, sizes), channels, outside) },
  ];
}

function pooling(spatial: number): (call: Call) => ValueType[] {
  return (call) => {
    const { dtype, shape } = input(call, 0);
    expectRank(input(call, 0), spatial + 2, 'its input');
    const { space } = places(call, spatial);
    const size = required(call, 'ksize', 'ints');
    const sizes = spaceOf(
      call,
      shape,
      space,
      space.map((axis) => size[axis]),
    );
    return [{ dtype, shape: withSpace(shape, space, sizes) }];
  };
}

/** Dilation's filter is [height, width, channels], its dilations are `rates`. */
function dilation(call: Call): ValueType[] {
  const [values, filter] = [input(call, 0), input(call, 1)];
  expectRank(values, 4, 'its input');
  expectRank(filter, 3, 'its filter');
  const padding = required(call, 'padding', 'string');
  const strides = required(call, 'strides', 'ints');
  const rates = required(call, 'rates', 'ints');
  const sizes = [1, 2].map((axis) =>
    windows({
      size: values.shape[axis],
      filter: filter.shape[axis - 1],
      stride: strides[axis],
      dilation: rates[axis],
      padding,
      explicit: 0,
      mayBeEmpty: true,
    }),
  );
  return [{ dtype: sameDType([values, filter]), shape: withSpace(values.shape, [1, 2], sizes) }];
}

/** The shape is a host operand, the dtype that of another input. */
const givenBy = (shapeAt: number, dtypeAt: number) => ({
  hostOperands: [shapeAt],
  infer: (call: Call): ValueType[] => [{ dtype: input(call, dtypeAt).dtype, shape: hostValues(call, shapeAt) }],
});

const asInput = (at: number) => ({
  infer: (call: Call): ValueType[] => [{ dtype: input(call, at).dtype, shape: input(call, at).shape }],
});

function resized(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  expectRank(input(call, 0), 4, 'its input');
  const [height, width] = hostValues(call, 1);
  return [{ dtype: call.op === 'ResizeBilinear' ? 'float32' : dtype, shape: [shape[0], height, width, shape[3]] }];
}

/** Convolutions, poolings and resizing, with their gradients. */
export const images: Operations = {
  Conv2D: { infer: convolution(2) },
  Conv3D: { infer: convolution(3) },
  DepthwiseConv2dNative: { infer: depthwise },
  ...each('Conv2DBackpropInput Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput', givenBy(0, 1)),
  ...each('Conv2DBackpropFilter Conv3DBackpropFilterV2 DepthwiseConv2dNativeBackpropFilter', givenBy(1, 0)),
  ...each('AvgPool MaxPool', { infer: pooling(2) }),
  ...each('AvgPool3D MaxPool3D', { infer: pooling(3) }),
  ...each('AvgPoolGrad AvgPool3DGrad', givenBy(0, 1)),
  ...each('MaxPoolGrad MaxPool3DGrad', asInput(0)),
  Dilation2D: { infer: dilation },
  Dilation2DBackpropInput: asInput(0),
  Dilation2DBackpropFilter: asInput(1),
  ...each('ResizeBilinear ResizeNearestNeighbor', { hostOperands: [1], infer: resized }),
  ResizeBilinearGrad: asInput(1),
  ResizeNearestNeighborGrad: {
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      expectRank(input(call, 0), 4, 'its input');
      const [height, width] = hostValues(call, 1);
      return [{ dtype, shape: [shape[0], height, width, shape[3]] }];
    },
  },
  CropAndResize: {
    hostOperands: [3],
    infer: (call) => {
      const [height, width] = hostValues(call, 3);
      expectRank(input(call, 0), 4, 'its input');
      return [{ dtype: 'float32', shape: [input(call, 1).shape[0], height, width, input(call, 0).shape[3]] }];
    },
  },
};
