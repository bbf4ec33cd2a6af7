import { attribute } from '../attributes';
import type { ValueType } from '../program';
import {
  axisOf,
  DynamicShape,
  each,
  expectRank,
  hostNumber,
  hostValues,
  input,
  insertAt,
  required,
  sameDType,
  ShapeError,
  shapeText,
  type Call,
  type Operations,
} from './operation';

function gather(call: Call): ValueType[] {
  const [values, indices] = [input(call, 0), input(call, 1)];
  const axis = axisOf(hostNumber(call, 2), values.shape.length);
  const given = attribute(call.attributes, 'batch_dims', 'int') ?? 0;
  const batch = given < 0 ? given + indices.shape.length : given;
  if (batch < 0 || batch > indices.shape.length || batch > axis)
    throw new ShapeError(
      `${given} batch dimensions do not fit indices ${shapeText(indices.shape)} in dimension ${axis}.`,
    );
  if (values.shape.slice(0, batch).join() !== indices.shape.slice(0, batch).join())
    throw new ShapeError(
      `the ${batch} batch dimensions of ${shapeText(values.shape)} and ${shapeText(indices.shape)} differ.`,
    );
  const shape = [...values.shape.slice(0, axis), ...indices.shape.slice(batch), ...values.shape.slice(axis + 1)];
  return [{ dtype: values.dtype, shape }];
}

/** The last dimension of the indices is a place in the first dimensions of the values. */
function gatherNd(call: Call): ValueType[] {
  const [values, indices] = [input(call, 0), input(call, 1)];
  const depth = indices.shape.at(-1);
  if (depth === undefined || depth > values.shape.length)
    throw new ShapeError(`indices ${shapeText(indices.shape)} do not fit values ${shapeText(values.shape)}.`);
  return [{ dtype: values.dtype, shape: [...indices.shape.slice(0, -1), ...values.shape.slice(depth)] }];
}

/** `updates` are as many slices as there are indices. */
function checkUpdates(indices: ValueType, updates: ValueType, shape: readonly number[]): void {
  const depth = indices.shape.at(-1);
  if (depth === undefined || depth > shape.length)
    throw new ShapeError(`indices ${shapeText(indices.shape)} do not fit the shape ${shapeText(shape)}.`);
  const expected = [...indices.shape.slice(0, -1), ...shape.slice(depth)];
  if (updates.shape.join() !== expected.join())
    throw new ShapeError(`updates ${shapeText(updates.shape)} must have the shape ${shapeText(expected)}.`);
}

function range(call: Call): ValueType[] {
  const [start, limit, delta] = [0, 1, 2].map((at) => hostNumber(call, at));
  if (delta === 0 || (start !== limit && start < limit !== delta > 0))
    throw new ShapeError(`steps of ${delta} do not lead from ${start} to ${limit}.`);
  const count = Math.ceil(Math.abs((limit - start) / delta));
  return [{ dtype: sameDType(call.inputs), shape: [count] }];
}

const dynamic = (): never => {
  throw new DynamicShape();
};

/** Values at places that other values give, and the numbers of places. */
export const indexing: Operations = {
  GatherV2: { hostOperands: [2], infer: gather },
  GatherNd: { infer: gatherNd },
  ScatterNd: {
    hostOperands: [2],
    infer: (call) => {
      const shape = hostValues(call, 2);
      if (input(call, 1).shape.length === 0) throw new ShapeError('its updates must have at least one dimension.');
      checkUpdates(input(call, 0), input(call, 1), shape);
      return [{ dtype: input(call, 1).dtype, shape }];
    },
  },
  TensorScatterUpdate: {
    infer: (call) => {
      const { dtype, shape } = input(call, 0);
      checkUpdates(input(call, 1), input(call, 2), shape);
      return [{ dtype, shape }];
    },
  },
  UnsortedSegmentSum: {
    hostOperands: [2],
    infer: (call) => {
      const [values, segments] = [input(call, 0), input(call, 1)];
      if (values.shape.slice(0, segments.shape.length).join() !== segments.shape.join())
        throw new ShapeError(`segments ${shapeText(segments.shape)} do not fit values ${shapeText(values.shape)}.`);
      return [{ dtype: values.dtype, shape: [hostNumber(call, 2), ...values.shape.slice(segments.shape.length)] }];
    },
  },
  OneHot: {
    hostOperands: [1],
    infer: (call) => {
      const { shape } = input(call, 0);
      const axis = attribute(call.attributes, 'axis', 'int') ?? -1;
      const depth = hostNumber(call, 1);
      if (depth < 0) throw new ShapeError(`its depth ${depth} is negative.`);
      const dtype = sameDType(call.inputs.slice(2));
      return [{ dtype, shape: insertAt(shape, axisOf(axis, shape.length + 1), depth) }];
    },
  },
  Bincount: {
    hostOperands: [1],
    infer: (call) => [{ dtype: input(call, 2).dtype, shape: [hostNumber(call, 1)] }],
  },
  SparseToDense: {
    hostOperands: [1],
    infer: (call) => [{ dtype: sameDType(call.inputs.slice(2)), shape: hostValues(call, 1) }],
  },
  Range: { hostOperands: [0, 1, 2], infer: range },
  LinSpace: {
    hostOperands: [2],
    infer: (call) => {
      const count = hostNumber(call, 2);
      if (count <= 0) throw new ShapeError(`it needs at least one number, not ${count}.`);
      return [{ dtype: sameDType(call.inputs.slice(0, 2)), shape: [count] }];
    },
  },
  ...each('NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 UniqueV2 Where', { infer: dynamic }),
};

/** Random numbers: from a key, or, stateful, from the run. */
export const random: Operations = {
  StatelessRandomGetKeyCounter: {
    infer: () => [
      { dtype: 'uint64', shape: [1] },
      { dtype: 'uint64', shape: [2] },
    ],
  },
  StatelessRandomUniformFullIntV2: {
    hostOperands: [0, 3],
    infer: (call) => [{ dtype: required(call, 'dtype', 'dtype'), shape: hostValues(call, 0) }],
  },
  Multinomial: {
    hostOperands: [1],
    stateful: true,
    infer: (call) => {
      expectRank(input(call, 0), 2, 'its logits');
      const dtype = attribute(call.attributes, 'output_dtype', 'dtype') ?? 'int64';
      return [{ dtype, shape: [input(call, 0).shape[0], hostNumber(call, 1)] }];
    },
  },
};
