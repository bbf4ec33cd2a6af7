import * as fc from 'fast-check';
import { type Attributes } from '../../src/program/attributes';
import { float, ints, intsOf, mostly, shape, size, stringOf, type Sample } from './arbitraries';

const padding = fc.constantFrom('SAME', 'VALID');
/** Sizes of space, of a filter, strides, dilations. */
const window = (spatial: number) => {
  const each = (from: number, to: number) =>
    fc.array(fc.integer({ min: from, max: to }), { minLength: spatial, maxLength: spatial });
  return fc.tuple(each(1, 8), each(1, 3), each(1, 2), each(1, 2), padding, fc.boolean());
};
const FORMATS: Readonly<Record<number, readonly [string, string]>> = { 2: ['NHWC', 'NCHW'], 3: ['NDHWC', 'NCDHW'] };
const arranged = (spatial: number, space: readonly number[], channels: number, first: boolean, batch = 2): number[] =>
  first ? [batch, channels, ...space] : [batch, ...space, channels];

const convolution = (spatial: number): fc.Arbitrary<Sample> =>
  fc.tuple(window(spatial), size, size).chain(([[space, filter, strides, dilations, pads, first], inside, outside]) =>
    mostly(inside, size).map((channels) => ({
      inputs: [float(arranged(spatial, space, channels, first)), float([...filter, inside, outside])],
      attributes: {
        // Different strides in two dimensions are refused for depthwise filters; for others, TensorFlow's own kernel reads
        // memory that is not the input's.
        strides: intsOf(
          arranged(
            spatial,
            strides.map(() => strides[0]),
            1,
            first,
            1,
          ),
        ),
        // TensorFlow's inference overlooks those of three dimensions, which its kernels do not have; tfjs refuses strides
        // and dilations in one convolution.
        dilations: intsOf(
          arranged(spatial, spatial === 3 || strides[0] > 1 ? strides.map(() => 1) : dilations, 1, first, 1),
        ),
        padding: stringOf(pads),
        data_format: stringOf(FORMATS[spatial][first ? 1 : 0]),
      },
    })),
  );
const pooling = (spatial: number): fc.Arbitrary<Sample> =>
  fc.tuple(window(spatial), size).map(([[space, filter, strides, , pads, first], channels]) => ({
    inputs: [float(arranged(spatial, space, channels, first))],
    attributes: {
      ksize: intsOf(arranged(spatial, filter, 1, first, 1)),
      strides: intsOf(arranged(spatial, strides, 1, first, 1)),
      padding: stringOf(pads),
      data_format: stringOf(FORMATS[spatial][first ? 1 : 0]),
    },
  }));
const gradientAttributes = (spatial: number): Attributes => ({
  ksize: intsOf(Array.from({ length: spatial + 2 }, () => 1)),
  strides: intsOf(Array.from({ length: spatial + 2 }, () => 1)),
  padding: stringOf('SAME'),
});
const filterAttributes = (spatial: number): Attributes => ({
  strides: intsOf(Array.from({ length: spatial + 2 }, () => 1)),
  padding: stringOf('SAME'),
});
/** Gradients to the input or the filter of a convolution with the padding SAME and the stride 1. */
const convolutionGradient = (spatial: number, of: 'input' | 'filter', depthwise = false): fc.Arbitrary<Sample> =>
  fc.tuple(shape(spatial + 1, spatial + 1), size, size).map(([[batch, ...space], inside, outside]) => {
    const values = [batch, ...space, inside];
    const filter = [...space.map(() => 3), inside, outside];
    const result = float([batch, ...space, depthwise ? inside * outside : outside]);
    return {
      inputs: of === 'input' ? [ints(...values), float(filter), result] : [float(values), ints(...filter), result],
      attributes: filterAttributes(spatial),
    };
  });

const image = shape(4, 4).map(float);

/** Calls of convolutions, poolings and resizing, and of their gradients. */
export const IMAGES: Readonly<Record<string, fc.Arbitrary<Sample>>> = {
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  DepthwiseConv2dNative: convolution(2),
  Conv2DBackpropInput: convolutionGradient(2, 'input'),
  Conv3DBackpropInputV2: convolutionGradient(3, 'input'),
  DepthwiseConv2dNativeBackpropInput: convolutionGradient(2, 'input', true),
  Conv2DBackpropFilter: convolutionGradient(2, 'filter'),
  Conv3DBackpropFilterV2: convolutionGradient(3, 'filter'),
  DepthwiseConv2dNativeBackpropFilter: convolutionGradient(2, 'filter', true),
  AvgPool: pooling(2),
  MaxPool: pooling(2),
  AvgPool3D: pooling(3),
  MaxPool3D: pooling(3),
  AvgPoolGrad: shape(4, 4).map((given) => ({
    inputs: [ints(...given), float(given)],
    attributes: gradientAttributes(2),
  })),
  AvgPool3DGrad: shape(5, 5).map((given) => ({
    inputs: [ints(...given), float(given)],
    attributes: gradientAttributes(3),
  })),
  MaxPoolGrad: shape(4, 4).map((given) => ({
    inputs: [float(given), float(given), float(given)],
    attributes: gradientAttributes(2),
  })),
  MaxPool3DGrad: shape(5, 5).map((given) => ({
    inputs: [float(given), float(given), float(given)],
    attributes: gradientAttributes(3),
  })),
  Dilation2D: fc.tuple(window(2), size).map(([[space, filter, strides, rates, pads], channels]) => ({
    inputs: [float([2, ...space, channels]), float([...filter, channels])],
    attributes: {
      strides: intsOf([1, ...strides, 1]),
      rates: intsOf([1, ...rates, 1]),
      padding: stringOf(pads),
    },
  })),
  ...Object.fromEntries(
    ['Dilation2DBackpropInput', 'Dilation2DBackpropFilter'].map((op) => [
      op,
      shape(4, 4).map((given) => ({
        inputs: [float(given), float([2, 2, given[3]]), float(given)],
        attributes: { strides: intsOf([1, 1, 1, 1]), rates: intsOf([1, 1, 1, 1]), padding: stringOf('SAME') },
      })),
    ]),
  ),
  ...Object.fromEntries(
    ['ResizeBilinear', 'ResizeNearestNeighbor', 'ResizeNearestNeighborGrad'].map((op) => [
      op,
      fc.tuple(image, size, size).map(([given, height, width]) => ({ inputs: [given, ints(height, width)] })),
    ]),
  ),
  ResizeBilinearGrad: fc.tuple(image, image).map(([gradient, given]) => ({ inputs: [gradient, given] })),
  CropAndResize: fc.tuple(image, size, size, size).map(([given, boxes, height, width]) => ({
    inputs: [given, float([boxes, 4]), { dtype: 'int32', shape: [boxes] }, ints(height, width)],
  })),
};
