import { attribute } from '../../program/attributes';
import { axisOf } from '../../program/operations';
import { elementCount } from '../../shape';
import { combining, type Combiner, type Emitter, type Hlo } from './emitter';
import { host, hostAxis, type Rule, type Rules } from './rule';
import { integers, isUnsigned } from './types';

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
const listed = (values: readonly number[]): string => `[${values.join(', ')}]`;

/**
 * Rows that indices choose. An index out of range is clamped to the first or last row, as under XLA; TensorFlow's own
 * kernels on CPUs fail.
 */
const gather: Rule = (call) => {
  const { to, attributes, types } = call;
  const [x, indices] = call.inputs;
  const axis = hostAxis(call, 2, x.shape.length);
  const given = attribute(attributes, 'batch_dims', 'int') ?? 0;
  const batch = given < 0 ? given + indices.shape.length : given;
  const places = indices.shape.length - batch;
  const batches = listed(range(0, batch));
  const offsets = [...range(batch, axis), ...range(axis + places, types[0].shape.length)];
  const numbers = [
    `offset_dims = ${listed(offsets)}`,
    `collapsed_slice_dims = [${axis}]`,
    `operand_batching_dims = ${batches}`,
    `start_indices_batching_dims = ${batches}`,
    `start_index_map = [${axis}]`,
    `index_vector_dim = ${indices.shape.length}`,
  ];
  const sizes = x.shape.map((size, at) => (at === axis || at < batch ? 1 : size));
  return to.op('gather', [x, indices], types[0], [
    `dimension_numbers = #stablehlo.gather<${numbers.join(', ')}>`,
    `slice_sizes = ${integers(sizes)}`,
  ]);
};

/** The last dimension of the indices is a place in the first dimensions of the values, clamped as above. */
const gatherNd: Rule = ({ to, inputs: [x, indices], types }) => {
  const outer = indices.shape.length - 1;
  const depth = indices.shape[outer];
  const [{ shape }] = types;
  if (depth === 0) return to.broadcastTo(x, shape);
  const numbers = [
    `offset_dims = ${listed(range(outer, shape.length))}`,
    `collapsed_slice_dims = ${listed(range(0, depth))}`,
    `start_index_map = ${listed(range(0, depth))}`,
    `index_vector_dim = ${outer}`,
  ];
  return to.op('gather', [x, indices], types[0], [
    `dimension_numbers = #stablehlo.gather<${numbers.join(', ')}>`,
    `slice_sizes = ${integers(x.shape.map((size, axis) => (axis < depth ? 1 : size)))}`,
  ]);
};

/**
 * Updates at places that the last dimension of `indices` gives. What is outside is dropped, as under XLA; TensorFlow's
 * own kernels on CPUs fail.
 */
function scatter(to: Emitter, x: Hlo, indices: Hlo, updates: Hlo, combiner: Combiner): Hlo {
  const outer = indices.shape.length - 1;
  const depth = indices.shape[outer];
  const numbers = [
    `update_window_dims = ${listed(range(outer, updates.shape.length))}`,
    `inserted_window_dims = ${listed(range(0, depth))}`,
    `scatter_dims_to_operand_dims = ${listed(range(0, depth))}`,
    `index_vector_dim = ${outer}`,
  ];
  return to.op(
    'scatter',
    [x, indices, updates],
    x,
    [`scatter_dimension_numbers = #stablehlo.scatter<${numbers.join(', ')}>`],
    combining(combiner, x.dtype),
  );
}

/** Several updates of one place add up. */
const scatterNd: Rule = ({ to, inputs: [indices, updates], types }) =>
  scatter(to, to.fill(types[0], 0), indices, updates, 'add');

/** Rows with a negative number are in no sum. */
const segmentSum: Rule = ({ to, inputs: [x, segments], types }) => {
  const count = elementCount(segments.shape);
  const rows = to.reshape(x, [count, ...x.shape.slice(segments.shape.length)]);
  return scatter(to, to.fill(types[0], 0), to.reshape(segments, [count, 1]), rows, 'add');
};

/** An index out of range has the value `off` everywhere. */
const oneHot: Rule = ({ to, inputs: [indices, , on, off], attributes, types }) => {
  const [{ shape }] = types;
  const axis = axisOf(attribute(attributes, 'axis', 'int') ?? -1, shape.length);
  const wide = isUnsigned(indices.dtype) ? to.convert(indices, 'int32') : indices;
  const places = to.iota({ dtype: wide.dtype, shape }, axis);
  const kept = range(0, shape.length).filter((at) => at !== axis);
  const isHere = to.compare('EQ', to.broadcast(wide, shape, kept), places);
  return to.select(isHere, to.broadcast(on, shape, []), to.broadcast(off, shape, []));
};

/** How often each number occurs, or the sums of the weights; numbers beyond the last one are not counted. */
const binCount: Rule = ({ to, inputs: [numbers, , weights], types }) => {
  const count = elementCount(numbers.shape);
  const isWeighted = elementCount(weights.shape) > 0;
  const values = isWeighted ? to.reshape(weights, [count]) : to.fill({ dtype: weights.dtype, shape: [count] }, 1);
  return scatter(to, to.fill(types[0], 0), to.reshape(numbers, [count, 1]), values, 'add');
};

/** Indices are one number, a number each, or a place each. */
const sparseToDense: Rule = ({ to, inputs: [indices, , values, other], types }) => {
  const [{ shape }] = types;
  const count = indices.shape[0] ?? 1;
  const places = to.reshape(indices, [count, indices.shape[1] ?? 1]);
  const updates = to.broadcastTo(values, [count]);
  return scatter(to, to.broadcast(other, shape, []), places, updates, 'replace');
};

const counted: Rule = (call) => {
  const { to, types } = call;
  const [start, , step] = [0, 1, 2].map((at) => to.fill(types[0], host(call, at)[0]));
  return to.same('add', to.same('multiply', to.iota(types[0], 0), step), start);
};

/** The last number is exactly the given one. */
const spaced: Rule = ({ to, inputs: [start, stop], types }) => {
  const [{ dtype, shape }] = types;
  const [count] = shape;
  const first = to.broadcast(start, shape, []);
  if (count === 1) return first;
  const step = to.same('divide', to.same('subtract', stop, start), to.scalar(dtype, count - 1));
  const places = to.iota(types[0], 0);
  const numbers = to.same('add', first, to.same('multiply', places, to.broadcast(step, shape, [])));
  return to.select(to.compareTo('EQ', places, count - 1), to.broadcast(stop, shape, []), numbers);
};

/** Values at places that other values give, and the numbers of places. */
export const indexing: Rules = {
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  // Of several updates of one place, devices that scatter in parallel take any.
  TensorScatterUpdate: ({ to, inputs: [x, indices, updates] }) => scatter(to, x, indices, updates, 'replace'),
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHot,
  Bincount: binCount,
  SparseToDense: sparseToDense,
  Range: counted,
  LinSpace: spaced,
};
