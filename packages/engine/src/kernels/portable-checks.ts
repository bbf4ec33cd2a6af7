/**
 * Checks that tfjs's own kernels lack: without them, wasm reads and writes beyond its tensors and stays corrupted. They
 * are TensorFlow's checks, so a mistake is an error on every engine.
 */
import { tf } from '../tf';
import { kernelError } from './kernel-errors';

interface Call {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  /** Values of an input, for inputs that contain indices. */
  readonly values: (info: tf.TensorInfo) => ArrayLike<number>;
}

/** The problem, if there is one. */
type Check = (call: Call) => string | undefined;

const outside = (what: string, low: number, high: number, got: number): string =>
  `Expected ${what} in [${low}, ${high}], but got ${got}`;

const slice: Check = ({ inputs: { x }, attrs }) => {
  const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, attrs.begin as number[], attrs.size as number[]);
  for (const [axis, length] of x.shape.entries()) {
    if (begin[axis] < 0 || begin[axis] > length) return outside(`begin[${axis}]`, 0, length, begin[axis]);
    const left = length - begin[axis];
    if (size[axis] < 0 || size[axis] > left) return outside(`size[${axis}]`, 0, left, size[axis]);
  }
  return undefined;
};

const sameDtypes =
  (...names: readonly string[]): Check =>
  ({ inputs }) => {
    const wanted = names.length > 0 ? names.map((name) => inputs[name]) : Object.values(inputs);
    const other = wanted.findIndex(({ dtype }) => dtype !== wanted[0].dtype);
    if (other < 0) return undefined;
    return `Expected tensors of one dtype, but input 0 is ${wanted[0].dtype} and input ${other} ${wanted[other].dtype}`;
  };

const noNegatives =
  (attribute: string, what: string): Check =>
  ({ attrs }) => {
    const all = [attrs[attribute]].flat(2) as number[];
    const at = all.findIndex((value) => value < 0);
    return at < 0 ? undefined : `Expected ${what} >= 0, but got ${all[at]}`;
  };

const permutation: Check = ({ attrs }) => {
  const perm = attrs.perm as number[];
  const missing = perm.findIndex((_, axis) => !perm.includes(axis));
  return missing < 0 ? undefined : `${missing} is missing from {${perm.join()}}`;
};

const axisInRange: Check = ({ inputs: { x }, attrs }) => {
  const [rank, axis] = [x.shape.length, attrs.axis as number];
  // tfjs treats a scalar as having axis 0.
  const most = Math.max(rank, 1);
  return axis >= -most && axis < most ? undefined : `Expected an axis in [${-most}, ${most}), but got ${axis}`;
};

/** Indices [.., depth] into the first axes of a tensor. */
const placesIn =
  (indicesName: string, shapeOf: (call: Call) => readonly number[]): Check =>
  (call) => {
    const indices = call.inputs[indicesName];
    const shape = shapeOf(call);
    const depth = indices.shape.at(-1) ?? 1;
    const values = call.values(indices);
    for (let i = 0; i < values.length; i++) {
      if (values[i] >= 0 && values[i] < shape[i % depth]) continue;
      const row = Math.floor(i / depth);
      const place = Array.from({ length: depth }, (_, axis) => values[row * depth + axis]);
      return `indices[${row}] = [${place.join(', ')}] does not index into shape [${shape.join(', ')}]`;
    }
    return undefined;
  };

/** Negative ids are ignored, as in TensorFlow. */
const segments: Check = ({ inputs: { segmentIds }, attrs, values }) => {
  const count = attrs.numSegments as number;
  const ids = values(segmentIds);
  for (let i = 0; i < ids.length; i++)
    if (ids[i] >= count) return `segment_ids[${i}] = ${ids[i]} is out of range [0, ${count})`;
  return undefined;
};

const divisor: Check = ({ inputs: { b }, values }) => {
  if (b.dtype !== 'int32') return undefined;
  const all = values(b);
  for (let i = 0; i < all.length; i++) if (all[i] === 0) return 'Integer division by zero';
  return undefined;
};

const CHECKS: Readonly<Record<string, Check>> = {
  [tf.Slice]: slice,
  [tf.Concat]: sameDtypes(),
  [tf.Select]: sameDtypes('t', 'e'),
  [tf.Tile]: noNegatives('reps', 'multiples'),
  [tf.PadV2]: noNegatives('paddings', 'paddings'),
  [tf.SplitV]: ({ attrs }) =>
    Array.isArray(attrs.numOrSizeSplits)
      ? noNegatives('numOrSizeSplits', 'sizes')({ attrs } as unknown as Call)
      : undefined,
  [tf.Transpose]: permutation,
  [tf.Cumsum]: axisInRange,
  [tf.Cumprod]: axisInRange,
  [tf.ArgMax]: axisInRange,
  [tf.ArgMin]: axisInRange,
  [tf.GatherNd]: placesIn('indices', ({ inputs }) => inputs.params.shape),
  [tf.ScatterNd]: placesIn('indices', ({ attrs }) => attrs.shape as number[]),
  [tf.UnsortedSegmentSum]: segments,
  [tf.FloorDiv]: divisor,
  [tf.Mod]: divisor,
};

/**
 * Wraps a tfjs kernel: checks its inputs first, and turns its errors into the engine's, with the code of TensorFlow's
 * errors.
 */
export function checked(kernel: tf.KernelConfig): tf.KernelConfig {
  const { kernelName } = kernel;
  const check = CHECKS[kernelName];
  const kernelFunc: tf.KernelFunc = (call) => {
    try {
      const { inputs, attrs, backend } = call;
      const store = backend as tf.KernelBackend;
      const problem = check?.({
        inputs: inputs as unknown as Call['inputs'],
        attrs: attrs as Call['attrs'],
        values: ({ dataId }) => store.readSync(dataId) as Int32Array,
      });
      if (problem) throw new Error(problem);
      return kernel.kernelFunc(call);
    } catch (error) {
      throw kernelError(kernelName, call.inputs, error);
    }
  };
  return { ...kernel, kernelFunc };
}
