import * as fc from 'fast-check';
import { dtypeOf, flagOf, intOf, type Attributes } from '../../src/program/attributes';
import {
  axisIn,
  broadcastable,
  float,
  int,
  ints,
  intsOf,
  mostly,
  shape,
  size,
  stringOf,
  type Operand,
  type Sample,
} from './arbitraries';

const stridedSlices: fc.Arbitrary<Sample> = shape(1).chain((given) =>
  fc
    .tuple(
      fc.array(
        fc.tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }), fc.constantFrom(-2, -1, 1, 2)),
        { minLength: 1, maxLength: given.length },
      ),
      fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 3, maxLength: 3 }),
      fc.constantFrom(0, 0, 1, 2),
    )
    .map(([parts, [begins, ends, shrinks], special]) => ({
      inputs: [float(given), ...[0, 1, 2].map((at) => ints(...parts.map((part) => part[at])))],
      attributes: {
        begin_mask: intOf(begins),
        end_mask: intOf(ends),
        ellipsis_mask: intOf(special === 1 ? 1 : 0),
        new_axis_mask: intOf(special === 2 ? 1 : 0),
        shrink_axis_mask: intOf(special === 0 ? shrinks : 0),
      },
    })),
);

const paddings = (attributes: Attributes, more: readonly Operand[]): fc.Arbitrary<Sample> =>
  shape(1).chain((given) =>
    fc
      .array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * given.length, maxLength: 2 * given.length })
      .map((values) => ({
        inputs: [float(given), { dtype: 'int32', shape: [given.length, 2], values }, ...more],
        attributes,
      })),
  );

/** Calls of what reshapes, cuts, joins, gathers, scatters and counts, and of random numbers. */
export const PLACES: Readonly<Record<string, fc.Arbitrary<Sample>>> = {
  Reshape: shape().chain((given) =>
    fc
      .oneof(
        fc.shuffledSubarray(given, { minLength: given.length }),
        fc.constant([-1]),
        shape(0, 3),
        shape(0, 2).map((some) => [...some, -1]),
      )
      .map((wanted) => ({ inputs: [float(given), ints(...wanted)] })),
  ),
  ExpandDims: shape().chain((given) => axisIn(given.length + 1).map((axis) => ({ inputs: [float(given), int(axis)] }))),
  Squeeze: shape().chain((given) =>
    fc.uniqueArray(fc.integer({ min: 0, max: 4 }), { maxLength: 2 }).map((axes) => ({
      inputs: [float(given)],
      attributes: { squeeze_dims: intsOf(axes) },
    })),
  ),
  Transpose: shape().chain((given) =>
    mostly(
      given.map((_, axis) => axis),
      fc.constant<number[]>([0, 0]),
    )
      .chain((order) => fc.shuffledSubarray(order, { minLength: order.length }))
      .map((order) => ({ inputs: [float(given), ints(...order)] })),
  ),
  Pad: paddings({}, []),
  PadV2: paddings({}, [float([])]),
  MirrorPad: fc.constantFrom('REFLECT', 'SYMMETRIC').chain((mode) => paddings({ mode: stringOf(mode) }, [])),
  Slice: shape(1).chain((given) =>
    fc
      .tuple(
        ...given.map((length) => fc.tuple(fc.integer({ min: 0, max: length }), fc.integer({ min: -1, max: length }))),
      )
      .map((parts) => ({
        inputs: [float(given), ints(...parts.map(([begin]) => begin)), ints(...parts.map(([, length]) => length))],
      })),
  ),
  StridedSlice: stridedSlices,
  TensorStridedSliceUpdate: shape(1).chain((given) =>
    fc.integer({ min: 1, max: given[0] }).chain((end) =>
      mostly([end, ...given.slice(1)], shape()).map((part) => ({
        inputs: [float(given), ints(0), ints(end), ints(1), float(part)],
      })),
    ),
  ),
  ConcatV2: shape(1).chain((given) =>
    fc.tuple(axisIn(given.length), size, mostly(given, shape(1))).map(([axis, length, other]) => {
      const at = axis < 0 ? axis + given.length : axis;
      return {
        inputs: [float(given), float(other.map((one, i) => (i === at ? length : one))), int(axis)],
        attributes: { T: dtypeOf('float32'), N: intOf(2), Tidx: dtypeOf('int32') },
      };
    }),
  ),
  SplitV: shape(1).chain((given) =>
    fc
      .tuple(axisIn(given.length), fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 1, maxLength: 3 }))
      .map(([axis, sizes]) => ({
        inputs: [float(given), ints(...sizes), int(axis)],
        attributes: { num_split: intOf(sizes.length) },
        outputs: sizes.length,
      })),
  ),
  Pack: shape().chain((given) =>
    fc
      .tuple(axisIn(given.length + 1), fc.array(mostly(given, shape()), { minLength: 1, maxLength: 3 }))
      .map(([axis, shapes]) => ({
        inputs: shapes.map(float),
        attributes: { T: dtypeOf('float32'), N: intOf(shapes.length), axis: intOf(axis) },
      })),
  ),
  Unpack: shape(1).chain((given) =>
    axisIn(given.length).map((axis) => {
      const count = given.at(axis) ?? 1;
      return {
        inputs: [float(given)],
        attributes: { num: intOf(count), axis: intOf(axis) },
        outputs: count,
      };
    }),
  ),
  Tile: shape().chain((given) => mostly(given, shape()).map((times) => ({ inputs: [float(given), ints(...times)] }))),
  BroadcastTo: shape().chain((wanted) =>
    fc.oneof(broadcastable(wanted), shape()).map((given) => ({ inputs: [float(given), ints(...wanted)] })),
  ),
  BroadcastArgs: fc.tuple(size, size).map(([a, b]) => ({
    inputs: [
      { dtype: 'int32', shape: [a] },
      { dtype: 'int32', shape: [b] },
    ],
  })),
  Fill: shape().map((given) => ({ inputs: [ints(...given), float([])] })),
  ReverseV2: shape().chain((given) =>
    fc.uniqueArray(axisIn(given.length), { maxLength: 2 }).map((axes) => ({ inputs: [float(given), ints(...axes)] })),
  ),
  Diag: shape(1, 3).map((given) => ({ inputs: [float(given)] })),
  SpaceToBatchND: shape(3, 4).map(([batch, height, ...others]) => ({
    inputs: [
      float([batch, 2 * height, ...others]),
      ints(2),
      { dtype: 'int32', shape: [1, 2], values: [height % 2, height % 3] },
    ],
  })),
  BatchToSpaceND: shape(3, 4).map(([batch, ...others]) => ({
    inputs: [float([2 * batch, ...others]), ints(2), { dtype: 'int32', shape: [1, 2], values: [1, 0] }],
  })),
  DepthToSpace: fc
    .tuple(shape(4, 4), fc.boolean(), fc.boolean())
    .map(([[batch, height, width, depth], first, fits]) => {
      const channels = fits ? 4 * depth : depth;
      return {
        inputs: [float(first ? [batch, channels, height, width] : [batch, height, width, channels])],
        attributes: { block_size: intOf(2), data_format: stringOf(first ? 'NCHW' : 'NHWC') },
      };
    }),
  GatherV2: shape(1).chain((given) =>
    fc.tuple(axisIn(given.length), fc.integer({ min: 0, max: 2 }), shape(0, 2)).map(([axis, batch, indices]) => ({
      inputs: [float(given), { dtype: 'int32', shape: [...given.slice(0, batch), ...indices] }, int(axis)],
      attributes: { batch_dims: intOf(batch) },
    })),
  ),
  GatherNd: shape(1).chain((given) =>
    shape(1, 3).map((indices) => ({ inputs: [float(given), { dtype: 'int32', shape: indices }] })),
  ),
  ScatterNd: fc.tuple(shape(1, 3), shape(0, 2)).chain(([given, places]) =>
    fc.integer({ min: 1, max: given.length }).chain((depth) =>
      mostly([...places, ...given.slice(depth)], shape()).map((updates) => ({
        inputs: [{ dtype: 'int32', shape: [...places, depth] }, float(updates), ints(...given)],
      })),
    ),
  ),
  TensorScatterUpdate: fc.tuple(shape(1, 3), shape(0, 2)).chain(([given, places]) =>
    fc.integer({ min: 1, max: given.length }).chain((depth) =>
      mostly([...places, ...given.slice(depth)], shape()).map((updates) => ({
        inputs: [float(given), { dtype: 'int32', shape: [...places, depth] }, float(updates)],
      })),
    ),
  ),
  UnsortedSegmentSum: shape(1).chain((given) =>
    fc.tuple(fc.integer({ min: 0, max: given.length }), fc.integer({ min: 1, max: 5 })).chain(([rank, count]) =>
      mostly(given.slice(0, rank), shape(1)).map((segments) => ({
        inputs: [float(given), { dtype: 'int32', shape: segments }, int(count)],
      })),
    ),
  ),
  OneHot: shape(0, 3).chain((given) =>
    fc.tuple(axisIn(given.length + 1), fc.integer({ min: 0, max: 5 })).map(([axis, depth]) => ({
      inputs: [{ dtype: 'int32', shape: given }, int(depth), float([]), float([])],
      // -1, and no other negative number: the last.
      attributes: { axis: intOf(Math.max(-1, axis)) },
    })),
  ),
  Bincount: fc.tuple(size, fc.integer({ min: 0, max: 5 })).map(([count, bins]) => ({
    inputs: [{ dtype: 'int32', shape: [count] }, int(bins), float([count])],
  })),
  SparseToDense: fc.tuple(shape(1, 3), size).map(([given, count]) => ({
    inputs: [{ dtype: 'int32', shape: [count, given.length] }, ints(...given), float([count]), float([])],
    attributes: { validate_indices: flagOf(true) },
  })),
  Range: fc
    .tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }), fc.integer({ min: -2, max: 2 }))
    .map(([start, limit, delta]) => ({
      inputs: [int(start), int(limit), int(delta)],
      attributes: { Tidx: dtypeOf('int32') },
    })),
  LinSpace: fc.integer({ min: 0, max: 4 }).map((count) => ({ inputs: [float([]), float([]), int(count)] })),
  StatelessRandomGetKeyCounter: fc.constant({ inputs: [{ dtype: 'int32', shape: [2] }], outputs: 2 }),
  StatelessRandomUniformFullIntV2: shape().map((given) => ({
    inputs: [ints(...given), { dtype: 'uint64', shape: [1] }, { dtype: 'uint64', shape: [2] }, int(1)],
    attributes: { dtype: dtypeOf('uint32'), Tshape: dtypeOf('int32') },
  })),
  Multinomial: fc.tuple(shape(1, 3), size).map(([given, count]) => ({
    inputs: [float(given), int(count)],
    attributes: { output_dtype: dtypeOf('int32') },
  })),
  NonMaxSuppressionV3: fc.constant({
    inputs: [float([3, 4]), float([3]), int(2), float([]), float([])],
  }),
  NonMaxSuppressionV4: fc.constant({
    inputs: [float([3, 4]), float([3]), int(2), float([]), float([])],
    outputs: 2,
  }),
  NonMaxSuppressionV5: fc.constant({
    inputs: [float([3, 4]), float([3]), int(2), float([]), float([]), float([])],
    outputs: 3,
  }),
  UniqueV2: fc.constant({ inputs: [float([3, 4]), ints(0)], outputs: 2 }),
  Where: fc.constant({ inputs: [{ dtype: 'bool', shape: [3] }] }),
};
