import { toBytes, tensorFlowType } from '../../src/kernels/dtypes';
import { elementCount } from '../../src/shape';
import type { Operand, Sample } from './arbitraries';

/** Numbers in [0, 1) from a seed: the same in every run. */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What an integer operand may be, by operation and position: [from, to). */
const RANGES: Readonly<Record<string, (sample: Sample, at: number) => readonly [number, number] | undefined>> = {
  GatherV2: ({ inputs }, at) => {
    const axis = inputs[2].values![0];
    return at === 1 ? [0, inputs[0].shape.at(axis) ?? 1] : undefined;
  },
  // Places in the first dimension that is indexed fit all of them.
  GatherNd: ({ inputs }, at) => (at === 1 ? [0, smallest(inputs[0].shape)] : undefined),
  ScatterNd: ({ inputs }, at) => (at === 0 ? [0, smallest(inputs[2].values!)] : undefined),
  TensorScatterUpdate: ({ inputs }, at) => (at === 1 ? [0, smallest(inputs[0].shape)] : undefined),
  // Negative segments are dropped.
  UnsortedSegmentSum: ({ inputs }, at) => (at === 1 ? [-1, inputs[2].values![0]] : undefined),
  // Classes that do not exist are rows of the off value.
  OneHot: (_, at) => (at === 0 ? [-1, 7] : undefined),
  Bincount: (_, at) => (at === 0 ? [0, 5] : undefined),
  // Shapes that fit together; places in order, none twice.
  BroadcastArgs: () => [1, 2],
  SparseToDense: ({ inputs }, at) => (at === 0 ? [0, smallest(inputs[1].values!)] : undefined),
  LeftShift: (_, at) => (at === 1 ? [0, 32] : undefined),
  RightShift: (_, at) => (at === 1 ? [0, 32] : undefined),
};

const smallest = (shape: readonly number[]): number => Math.min(...shape, 1000);

/** The bytes of an operand: its own values, or random ones that the operation takes. */
export function bytesFor(op: string, sample: Sample, at: number, next: () => number): Uint8Array {
  const operand: Operand = sample.inputs[at];
  const type = tensorFlowType(operand.dtype);
  if (operand.values) return toBytes(operand.values, type).slice();
  const count = elementCount(operand.shape) * (operand.dtype === 'complex64' ? 2 : 1);
  const [from, to] = RANGES[op]?.(sample, at) ?? [-50, 50];
  const one = (): number => {
    switch (operand.dtype) {
      case 'bool':
        return next() < 0.5 ? 1 : 0;
      case 'int32':
      case 'uint64':
        return Math.floor(from + next() * (to - from));
      default:
        // Variances are positive.
        return op === 'FusedBatchNorm' && at === 4 ? next() + 0.1 : 4 * next() - 2;
    }
  };
  return toBytes(Array.from({ length: count }, one), type).slice();
}
