import { attribute } from '../attributes';
import type { ValueType } from '../program';
import {
  axisOf,
  broadcastShape,
  each,
  hostNumber,
  hostValues,
  input,
  replaceAt,
  insertAt,
  required,
  sameDType,
  sameShape,
  ShapeError,
  shapeText,
  type Call,
  type Operations,
} from './operation';
import { elementCount } from '../../shape';
import { stridedSlice } from './strided-slice';

/** The shape that a host operand gives. */
function givenShape(call: Call, at: number): number[] {
  const shape = hostValues(call, at);
  if (shape.some((size) => size < 0)) throw new ShapeError(`a shape ${shapeText(shape)} has a negative size.`);
  return shape;
}

/** One size may be -1: what the others leave. */
function reshape(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const wanted = hostValues(call, 1);
  const size = elementCount(shape);
  const open = wanted.indexOf(-1);
  const known = elementCount(wanted.filter((_, axis) => axis !== open));
  const given = open < 0 ? wanted : replaceAt(wanted, open, known === 0 ? 0 : size / known);
  if (given.some((length) => length < 0 || !Number.isInteger(length)) || elementCount(given) !== size)
    throw new ShapeError(`${size} values of the shape ${shapeText(shape)} do not fit the shape ${shapeText(wanted)}.`);
  return [{ dtype, shape: given }];
}

function transpose(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const order = hostValues(call, 1).map((axis) => axisOf(axis, shape.length));
  if (order.length !== shape.length || new Set(order).size !== order.length)
    throw new ShapeError(`${shapeText(order)} is not an order of the ${shape.length} dimensions of its input.`);
  return [{ dtype, shape: order.map((axis) => shape[axis]) }];
}

/** Added before and after each dimension: a host operand [rank, 2]. */
function padded(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const paddings = hostValues(call, 1);
  if (paddings.length !== 2 * shape.length || paddings.some((size) => size < 0))
    throw new ShapeError(`paddings ${shapeText(paddings)} do not fit the shape ${shapeText(shape)}.`);
  if (call.op === 'MirrorPad') {
    const most = required(call, 'mode', 'string') === 'REFLECT' ? 1 : 0;
    if (shape.some((size, axis) => Math.max(paddings[2 * axis], paddings[2 * axis + 1]) > size - most))
      throw new ShapeError(`paddings ${shapeText(paddings)} are longer than the shape ${shapeText(shape)} to mirror.`);
  }
  return [{ dtype, shape: shape.map((size, axis) => size + paddings[2 * axis] + paddings[2 * axis + 1]) }];
}

/** Only the size must be known; -1: up to the end. */
function slice(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const size = hostValues(call, 2);
  if (size.length !== shape.length)
    throw new ShapeError(`a slice of the size ${shapeText(size)} does not fit the shape ${shapeText(shape)}.`);
  const isKnown = input(call, 1).producer.kind === 'constant';
  const begin = isKnown || size.includes(-1) ? hostValues(call, 1) : undefined;
  const lengths = size.map((length, axis) => (length === -1 ? shape[axis] - begin![axis] : length));
  lengths.forEach((length, axis) => {
    const from = begin?.[axis] ?? 0;
    if (length < 0 || from < 0 || from + length > shape[axis])
      throw new ShapeError(`${length} of ${shape[axis]} in dimension ${axis}, from ${from} on, reach beyond it.`);
  });
  return [{ dtype, shape: lengths }];
}

function concat(call: Call): ValueType[] {
  const parts = call.inputs.slice(0, -1);
  const [first] = parts;
  const axis = axisOf(hostNumber(call, -1), first.shape.length);
  for (const { shape } of parts)
    if (shape.length !== first.shape.length || shape.some((size, at) => at !== axis && size !== first.shape[at]))
      throw new ShapeError(
        `${shapeText(first.shape)} and ${shapeText(shape)} differ in more than dimension ${axis}, along which they are joined.`,
      );
  const length = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  return [{ dtype: sameDType(parts), shape: replaceAt(first.shape, axis, length) }];
}

/** Sizes are a host operand; one may be -1. */
function split(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const axis = axisOf(hostNumber(call, 2), shape.length);
  const sizes = hostValues(call, 1);
  const open = sizes.indexOf(-1);
  const known = sizes.reduce((sum, size, at) => (at === open ? sum : sum + size), 0);
  const lengths = open < 0 ? sizes : replaceAt(sizes, open, shape[axis] - known);
  if (lengths.some((length) => length < 0) || lengths.reduce((a, b) => a + b, 0) !== shape[axis])
    throw new ShapeError(`the sizes ${shapeText(sizes)} do not add up to ${shape[axis]} in dimension ${axis}.`);
  return lengths.map((length) => ({ dtype, shape: replaceAt(shape, axis, length) }));
}

/** Space and batch: blocks of some dimensions after the first, a host operand, and what is cut or padded, another. */
function blocks(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const block = hostValues(call, 1);
  const around = hostValues(call, 2);
  if (shape.length <= block.length || around.length !== 2 * block.length)
    throw new ShapeError(`blocks ${shapeText(block)} do not fit the shape ${shapeText(shape)}.`);
  const toBatch = call.op === 'SpaceToBatchND';
  const total = elementCount(block);
  const sizes = block.map((size, i) => {
    const edges = around[2 * i] + around[2 * i + 1];
    return toBatch ? (shape[i + 1] + edges) / size : shape[i + 1] * size - edges;
  });
  const batch = toBatch ? shape[0] * total : shape[0] / total;
  if (![batch, ...sizes].every((size) => Number.isInteger(size) && size >= 0))
    throw new ShapeError(`blocks ${shapeText(block)} do not divide the shape ${shapeText(shape)}.`);
  return [{ dtype, shape: [batch, ...sizes, ...shape.slice(1 + block.length)] }];
}

function unpack(call: Call): ValueType[] {
  const { dtype, shape } = input(call, 0);
  const axis = axisOf(attribute(call.attributes, 'axis', 'int') ?? 0, shape.length);
  const count = required(call, 'num', 'int');
  if (count !== shape[axis]) throw new ShapeError(`dimension ${axis} has ${shape[axis]} parts, not ${count}.`);
  return Array.from({ length: count }, () => ({ dtype, shape: shape.filter((_, at) => at !== axis) }));
}

/** New shapes of the same values, parts of them, and repetitions. */
export const shapes: Operations = {
  Reshape: { view: true, hostOperands: [1], infer: reshape },
  ExpandDims: {
    view: true,
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      return [{ dtype, shape: insertAt(shape, axisOf(hostNumber(call, 1), shape.length + 1), 1) }];
    },
  },
  Squeeze: {
    view: true,
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const axes = (attribute(call.attributes, 'squeeze_dims', 'ints') ?? []).map((axis) => axisOf(axis, shape.length));
      const wrong = axes.find((axis) => shape[axis] !== 1);
      if (wrong !== undefined) throw new ShapeError(`dimension ${wrong} of ${shapeText(shape)} is not 1.`);
      return [{ dtype, shape: shape.filter((size, axis) => (axes.length > 0 ? !axes.includes(axis) : size !== 1)) }];
    },
  },
  Transpose: { hostOperands: [1], infer: transpose },
  ...each('MirrorPad Pad PadV2', { hostOperands: [1], infer: padded }),
  Slice: { hostOperands: [2], infer: slice },
  StridedSlice: {
    hostOperands: [1, 2, 3],
    infer: (call) => [{ dtype: input(call, 0).dtype, shape: stridedSlice(call).shape }],
  },
  TensorStridedSliceUpdate: {
    view: true,
    hostOperands: [1, 2, 3],
    infer: (call) => {
      const part = stridedSlice(call).shape;
      const values = input(call, 4).shape;
      // Sizes of 1 in front are ignored.
      const given = values.slice(
        Math.max(
          0,
          values.findIndex((size, axis) => size !== 1 || axis >= values.length - part.length),
        ),
      );
      if (broadcastShape(part, given).join() !== part.join())
        throw new ShapeError(`values of the shape ${shapeText(given)} do not fit the part ${shapeText(part)}.`);
      return [{ dtype: input(call, 0).dtype, shape: input(call, 0).shape }];
    },
  },
  ConcatV2: { hostOperands: [-1], infer: concat },
  SplitV: { hostOperands: [1, 2], infer: split },
  Pack: {
    infer: (call) => {
      const shape = sameShape(call.inputs);
      const axis = axisOf(attribute(call.attributes, 'axis', 'int') ?? 0, shape.length + 1);
      return [{ dtype: sameDType(call.inputs), shape: insertAt(shape, axis, call.inputs.length) }];
    },
  },
  Unpack: { infer: unpack },
  Tile: {
    fused: true,
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const times = givenShape(call, 1);
      if (times.length !== shape.length)
        throw new ShapeError(`repetitions ${shapeText(times)} do not fit the shape ${shapeText(shape)}.`);
      return [{ dtype, shape: shape.map((size, axis) => size * times[axis]) }];
    },
  },
  BroadcastTo: {
    fused: true,
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const wanted = givenShape(call, 1);
      if (broadcastShape(shape, wanted).join() !== wanted.join())
        throw new ShapeError(`the shape ${shapeText(shape)} cannot be broadcast to ${shapeText(wanted)}.`);
      return [{ dtype, shape: wanted }];
    },
  },
  BroadcastArgs: {
    infer: (call) => [
      { dtype: sameDType(call.inputs), shape: [Math.max(...call.inputs.map(({ shape }) => shape[0] ?? 0))] },
    ],
  },
  Fill: {
    fused: true,
    hostOperands: [0],
    infer: (call) => [{ dtype: input(call, 1).dtype, shape: givenShape(call, 0) }],
  },
  ReverseV2: {
    hostOperands: [1],
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const axes = hostValues(call, 1).map((axis) => axisOf(axis, shape.length));
      if (new Set(axes).size < axes.length) throw new ShapeError(`${shapeText(axes)} names a dimension twice.`);
      return [{ dtype, shape }];
    },
  },
  Diag: {
    infer: (call) => [{ dtype: input(call, 0).dtype, shape: [...input(call, 0).shape, ...input(call, 0).shape] }],
  },
  ...each('BatchToSpaceND SpaceToBatchND', { hostOperands: [1, 2], infer: blocks }),
  DepthToSpace: {
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      const block = required(call, 'block_size', 'int');
      const nchw = attribute(call.attributes, 'data_format', 'string') === 'NCHW';
      const [batch, height, width, depth] = nchw ? [shape[0], shape[2], shape[3], shape[1]] : shape;
      const channels = depth / block ** 2;
      if (shape.length !== 4 || !Number.isInteger(channels))
        throw new ShapeError(`blocks of ${block} do not fit the shape ${shapeText(shape)}.`);
      const space = [height * block, width * block];
      return [{ dtype, shape: nchw ? [batch, channels, ...space] : [batch, ...space, channels] }];
    },
  },
};
