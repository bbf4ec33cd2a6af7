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
import { channelsAt, spaceOf, windowsOf, type Extent } from './space';

/** The shape with the results of its dimensions of space. */
function withSpace(shape: readonly number[], extents: readonly Extent[]): readonly number[] {
  return extents.reduce((sizes, { axis, result }) => replaceAt(sizes, axis, result), shape);
}

/** Filters are [..space, channels in, channels out]. */
function convolution(spatial: number): (call: Call) => ValueType[] {
  return (call) => {
    const [values, filter] = [input(call, 0), input(call, 1)];
    expectRank(values, spatial + 2, 'its input');
    expectRank(filter, spatial + 2, 'its filter');
    const channels = channelsAt(call, spatial);
    const [inside, outside] = filter.shape.slice(spatial);
    if (values.shape[channels] % inside !== 0)
      throw new ShapeError(
        `its input ${shapeText(values.shape)} has ${values.shape[channels]} channels, the filter ${shapeText(filter.shape)} takes ${inside}.`,
      );
    const groups = values.shape[channels] / inside;
    if (outside % groups !== 0)
      throw new ShapeError(`its ${outside} filters cannot be shared by ${groups} groups of channels.`);
    const extents = spaceOf(call, values.shape, filter.shape.slice(0, spatial));
    return [
      {
        dtype: sameDType([values, filter]),
        shape: replaceAt(withSpace(values.shape, extents), channels, outside),
      },
    ];
  };
}

function depthwise(call: Call): ValueType[] {
  const [values, filter] = [input(call, 0), input(call, 1)];
  expectRank(values, 4, 'its input');
  expectRank(filter, 4, 'its filter');
  const channels = channelsAt(call, 2);
  if (values.shape[channels] !== filter.shape[2])
    throw new ShapeError(
      `its input ${shapeText(values.shape)} has ${values.shape[channels]} channels, the filter ${shapeText(filter.shape)} takes ${filter.shape[2]}.`,
    );
  const extents = spaceOf(call, values.shape, filter.shape.slice(0, 2));
  const outside = filter.shape[2] * filter.shape[3];
  return [
    { dtype: sameDType([values, filter]), shape: replaceAt(withSpace(values.shape, extents), channels, outside) },
  ];
}

function pooling(spatial: number): (call: Call) => ValueType[] {
  return (call) => {
    const { dtype, shape } = input(call, 0);
    expectRank(input(call, 0), spatial + 2, 'its input');
    return [{ dtype, shape: withSpace(shape, windowsOf(call, shape)) }];
  };
}

/** Dilation's filter is [height, width, channels], its dilations are `rates`. */
function dilation(call: Call): ValueType[] {
  const [values, filter] = [input(call, 0), input(call, 1)];
  expectRank(values, 4, 'its input');
  expectRank(filter, 3, 'its filter');
  required(call, 'rates', 'ints');
  const extents = spaceOf(call, values.shape, filter.shape.slice(0, 2), { dilations: 'rates', mayBeEmpty: true });
  return [{ dtype: sameDType([values, filter]), shape: withSpace(values.shape, extents) }];
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
