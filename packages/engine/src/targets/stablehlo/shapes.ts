import { attribute } from '../../program/attributes';
import { axisOf, each } from '../../program/operations';
import { elementCount } from '../../shape';
import { batchToSpace, depthToSpace, spaceToBatch } from './blocks';
import { host, hostAxes, hostAxis, type Rule, type Rules } from './rule';
import { stridedSlice, stridedUpdate } from './strided';

const reshaped: Rule = ({ to, inputs: [x], types }) => to.reshape(x, types[0].shape);

/** Amounts before and after each dimension. */
function amounts(paddings: readonly number[]): [before: number[], after: number[]] {
  return [paddings.filter((_, i) => i % 2 === 0), paddings.filter((_, i) => i % 2 === 1)];
}

const padded: Rule = (call) => {
  const { to, inputs } = call;
  const [x] = inputs;
  const [before, after] = amounts(host(call, 1));
  return to.pad(x, call.op === 'PadV2' ? inputs[2] : to.scalar(x.dtype, 0), before, after);
};

/** REFLECT leaves out the edge itself, SYMMETRIC repeats it. */
const mirrored: Rule = (call) => {
  const { to, attributes } = call;
  const [before, after] = amounts(host(call, 1));
  const skipped = attribute(attributes, 'mode', 'string') === 'REFLECT' ? 1 : 0;
  return before.reduce((x, low, axis) => {
    const high = after[axis];
    const first = low > 0 ? [to.reverse(to.part(x, axis, skipped, low), [axis])] : [];
    const last = high > 0 ? [to.reverse(to.part(x, axis, x.shape[axis] - skipped - high, high), [axis])] : [];
    return to.concat([...first, x, ...last], axis);
  }, call.inputs[0]);
};

/** A beginning that only the run knows is clamped so that the slice fits, as XLA does; TensorFlow's kernels fail. */
const slice: Rule = (call) => {
  const { to, inputs, values, types } = call;
  const [{ shape }] = types;
  if (values[1].producer.kind === 'constant') return to.slice(inputs[0], host(call, 1), shape);
  const starts = shape.map((_, axis) => to.reshape(to.part(inputs[1], 0, axis, 1), []));
  return to.op('dynamic_slice', [inputs[0], ...starts], types[0], [`slice_sizes = array<i64: ${shape.join(', ')}>`]);
};

const split: Rule = (call) => {
  const { to, types } = call;
  const [x] = call.inputs;
  const axis = hostAxis(call, 2, x.shape.length);
  let from = 0;
  return types.map(({ shape }) => to.part(x, axis, (from += shape[axis]) - shape[axis], shape[axis]));
};

/** Each dimension gets one in front of it, along which it is repeated. */
const tiled: Rule = (call) => {
  const { to, types } = call;
  const [x] = call.inputs;
  const times = host(call, 1);
  const spread = times.flatMap((count, axis) => [count, x.shape[axis]]);
  const places = x.shape.map((_, axis) => 2 * axis + 1);
  return to.reshape(to.broadcast(x, spread, places), types[0].shape);
};

/** The shape, as a value, to which two shapes are broadcast. */
const broadcastArgs: Rule = ({ to, inputs, types }) => {
  const [a, b] = inputs.map((x) => to.pad(x, to.scalar(x.dtype, 1), [types[0].shape[0] - x.shape[0]], [0]));
  return to.select(to.compareTo('EQ', a, 1), b, a);
};

const diagonal: Rule = ({ to, inputs: [x], types }) => {
  const count = elementCount(x.shape);
  const square = { dtype: x.dtype, shape: [count, count] };
  const places = [0, 1].map((axis) => to.iota({ dtype: 'int32', shape: square.shape }, axis));
  const rows = to.broadcast(to.reshape(x, [count]), square.shape, [0]);
  const matrix = to.select(to.compare('EQ', places[0], places[1]), rows, to.fill(square, 0));
  return to.reshape(matrix, types[0].shape);
};

/** New shapes of the same values, parts of them, and repetitions. */
export const shapes: Rules = {
  ...each('ExpandDims Reshape Squeeze', reshaped),
  Transpose: (call) => {
    const rank = call.inputs[0].shape.length;
    return call.to.transpose(
      call.inputs[0],
      host(call, 1).map((axis) => axisOf(axis, rank)),
    );
  },
  ...each('Pad PadV2', padded),
  MirrorPad: mirrored,
  Slice: slice,
  StridedSlice: stridedSlice,
  TensorStridedSliceUpdate: stridedUpdate,
  ConcatV2: (call) => {
    const parts = call.inputs.slice(0, -1);
    return call.to.concat(parts, hostAxis(call, -1, parts[0].shape.length));
  },
  SplitV: split,
  Pack: ({ to, inputs, attributes, types: [{ shape }] }) => {
    const axis = axisOf(attribute(attributes, 'axis', 'int') ?? 0, shape.length);
    const one = shape.map((size, at) => (at === axis ? 1 : size));
    return to.concat(
      inputs.map((x) => to.reshape(x, one)),
      axis,
    );
  },
  Unpack: ({ to, inputs: [x], attributes, types }) => {
    const axis = axisOf(attribute(attributes, 'axis', 'int') ?? 0, x.shape.length);
    return types.map(({ shape }, at) => to.reshape(to.part(x, axis, at, 1), shape));
  },
  Tile: tiled,
  BroadcastTo: ({ to, inputs: [x], types }) => to.broadcastTo(x, types[0].shape),
  BroadcastArgs: broadcastArgs,
  Fill: ({ to, inputs, types }) => to.broadcast(inputs[1], types[0].shape, []),
  ReverseV2: (call) => call.to.reverse(call.inputs[0], hostAxes(call, 1, call.inputs[0].shape.length)),
  Diag: diagonal,
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  DepthToSpace: depthToSpace,
};
