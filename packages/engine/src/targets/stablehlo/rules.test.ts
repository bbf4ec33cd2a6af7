/** Every lowering rule on XLA's PJRT plugin for CPUs, against TensorFlow's own kernels, on random calls. */
import * as fc from 'fast-check';
import type { Sample } from '../../../test-support/operation-samples/arbitraries';
import { describePjrt } from '../../../test-support/cpu-plugin';
import { IMAGES } from '../../../test-support/operation-samples/images';
import { NUMBERS } from '../../../test-support/operation-samples/numbers';
import { PLACES } from '../../../test-support/operation-samples/places';
import { bytesFor, numbersFrom } from '../../../test-support/operation-samples/values';
import { openEngine, tf } from '../../index';
import { nativeAttributes } from '../../kernels/attributes';
import { dtypeName, tensorFlowType } from '../../kernels/dtypes';
import { fromBytes } from '../../program/bytes';
import type { DType } from '../../program/dtypes';
import { OPERATIONS } from '../../program/operations';
import type { EagerRuntime, RuntimeTensor } from '../../target/runtime';
import { findRule } from './rules';

const SAMPLES = { ...NUMBERS, ...PLACES, ...IMAGES };
const PER_OPERATION = process.env.GRAFT_SLOW ? 40 : 2;

/** What no rule lowers, on purpose: images, shapes that depend on values, strings, draws without a key. */
const REFUSED = [
  'CropAndResize',
  'Dilation2D',
  'Dilation2DBackpropFilter',
  'Dilation2DBackpropInput',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV4',
  'NonMaxSuppressionV5',
  'ResizeBilinear',
  'ResizeBilinearGrad',
  'ResizeNearestNeighbor',
  'ResizeNearestNeighborGrad',
  'StaticRegexReplace',
  'UniqueV2',
  'Where',
];

const lowered = Object.keys(OPERATIONS).filter((op) => findRule(op) !== undefined);
/** TensorFlow has none of Graft's own operations, and draws of Multinomial are the device's own. */
const compared = lowered.filter((op) => op !== 'Multinomial' && !op.startsWith('Graft'));

test('every operation of the table has a rule, or is refused on purpose', () => {
  expect(
    Object.keys(OPERATIONS)
      .filter((op) => !lowered.includes(op))
      .sort(),
  ).toEqual(REFUSED);
});

interface Result {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly (number | bigint)[];
}

/** The results of an operation; undefined: it is refused. */
function results<T extends RuntimeTensor>(
  runtime: EagerRuntime<T>,
  op: string,
  { inputs, attributes = {}, outputs = 1 }: Sample,
  bytes: readonly Uint8Array[],
): Result[] | undefined {
  const tensors = inputs.map(({ dtype, shape }, i) => runtime.createTensor(shape, tensorFlowType(dtype), bytes[i]));
  try {
    return runtime.execute(op, nativeAttributes(attributes), tensors, outputs).map((tensor) => {
      const dtype = dtypeName(tensor.dtype);
      const values = Array.from(fromBytes(runtime.readTensor(tensor).slice(), dtype) as ArrayLike<number | bigint>);
      runtime.deleteTensor(tensor);
      return { dtype, shape: tensor.shape, values };
    });
  } catch (error) {
    if ((error as { code?: string }).code === 'engine.tensorflow') return undefined;
    throw error;
  } finally {
    for (const tensor of tensors) runtime.deleteTensor(tensor);
  }
}

/** Functions that both sides approximate by polynomials of their own. */
const APPROXIMATE: Readonly<Record<string, number>> = { Pow: 1e-4, Tan: 1e-4, LRN: 1e-4, LRNGrad: 1e-4 };

function expectEqual(op: string, got: Result, expected: Result): void {
  expect({ dtype: got.dtype, shape: got.shape }).toEqual({ dtype: expected.dtype, shape: expected.shape });
  if (!['float32', 'complex64'].includes(got.dtype)) {
    expect(got.values).toEqual(expected.values);
    return;
  }
  const tolerance = APPROXIMATE[op] ?? 1e-5;
  const worst = expected.values.reduce((most: number, value, i) => {
    const [a, b] = [Number(got.values[i]), Number(value)];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) return most;
    const off = Math.abs(a - b) / Math.max(1, Math.abs(b));
    return Number.isNaN(off) ? Infinity : Math.max(most, off);
  }, 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}

describePjrt('the rules of StableHLO', (plugin) => {
  let device: EagerRuntime<RuntimeTensor>;
  let tensorFlow: EagerRuntime<RuntimeTensor>;
  beforeAll(async () => {
    const runtimeOf = (): EagerRuntime<RuntimeTensor> =>
      (tf.backend() as unknown as { binding: { runtime: EagerRuntime<RuntimeTensor> } }).binding.runtime;
    await openEngine({ mode: 'eager' });
    tensorFlow = runtimeOf();
    await openEngine({ mode: 'pjrt', plugin });
    device = runtimeOf();
  });

  test.each(compared)('%s computes what TensorFlow computes', (op) => {
    const next = numbersFrom(op.length + op.charCodeAt(0));
    let count = 0;
    for (const sample of fc.sample(SAMPLES[op], { numRuns: 12 * PER_OPERATION, seed: 7 })) {
      if (count === PER_OPERATION) break;
      const bytes = sample.inputs.map((_, at) => bytesFor(op, sample, at, next));
      // The gradient of a maximum is that at the place of the result.
      if (/^MaxPool.*Grad$/.test(op)) bytes[1] = bytes[0];
      const expected = results(tensorFlow, op, sample, bytes);
      if (!expected) continue;
      const got = results(device, op, sample, bytes);
      // The table refuses some calls that TensorFlow's kernels let pass, such as windows that do not fit.
      if (!got) continue;
      const first = op === 'FusedBatchNorm' ? 1 : expected.length;
      expected.slice(0, first).forEach((one, i) => expectEqual(op, got[i], one));
      count++;
    }
    expect(count).toBe(PER_OPERATION);
  });

  test('Multinomial draws what is possible, and other numbers each time', () => {
    const draw = (logits: number[], count: number): number[] => {
      const sample = tf.multinomial(tf.tensor1d(logits), count, 3, false) as tf.Tensor1D;
      return [...sample.dataSync()];
    };
    tf.tidy(() => {
      expect(new Set(draw([-1e9, 0, -1e9], 20))).toEqual(new Set([1]));
      expect(draw([0, 0, 0, 0], 40)).not.toEqual(draw([0, 0, 0, 0], 40));
    });
  });

  const network = (x: tf.Tensor4D, filter: tf.Tensor4D, table: tf.Tensor2D): tf.Scalar => {
    const pooled = tf.maxPool(tf.conv2d(x, filter, 1, 'same'), 2, 2, 'valid');
    const averaged = tf.avgPool(tf.relu(pooled) as tf.Tensor4D, 2, 1, 'same');
    const rows = tf.reshape(averaged, [-1, 4]) as tf.Tensor2D;
    const { mean, variance } = tf.moments(rows, 1, true);
    const normed = tf.div(tf.sub(rows, mean), tf.sqrt(tf.add(variance, 1e-3)));
    const places = tf.range(0, normed.shape[0], 1, 'int32').mod(tf.scalar(5, 'int32')) as tf.Tensor1D;
    const looked = tf.gather(table, places);
    const scores = tf.softmax(tf.matMul(normed as tf.Tensor2D, looked as tf.Tensor2D, false, true));
    const attended = tf.matMul(scores, looked as tf.Tensor2D);
    const likelihood = tf.mul(tf.oneHot(places, 4), tf.logSoftmax(tf.add(attended, tf.cumsum(normed, 1))));
    return tf.neg(tf.mean(tf.sum(likelihood, 1)));
  };

  test('a network and its gradients are the same, run by single operations and compiled', async () => {
    const compute = async (mode: 'graph' | 'pjrt', compiled: boolean): Promise<number[][]> => {
      const engine = await openEngine({ mode });
      const next = numbersFrom(3);
      const tensor = (...shape: number[]): tf.Tensor =>
        tf.tensor(
          Array.from({ length: shape.reduce((a, b) => a * b) }, () => next() - 0.5),
          shape,
        );
      const inputs = [tensor(2, 6, 6, 3), tensor(3, 3, 3, 4), tensor(5, 4)];
      const run = (all: tf.Tensor[]): tf.Tensor[] => {
        const { value, grads } = tf.valueAndGrads(network as never)(all, tf.scalar(1));
        return [value, ...grads];
      };
      const step = engine.jit(run);
      const found = compiled ? step(inputs) : tf.tidy(() => run(inputs));
      const values = found.map((one) => [...one.dataSync()]);
      tf.dispose([inputs, found]);
      step.dispose();
      return values;
    };
    const expected = await compute('graph', false);
    for (const compiled of [false, true]) {
      const got = await compute('pjrt', compiled);
      got.forEach((values, at) => {
        const largest = Math.max(...expected[at].map(Math.abs));
        const worst = Math.max(...values.map((value, i) => Math.abs(value - expected[at][i])));
        expect(worst).toBeLessThanOrEqual(1e-5 * Math.max(1, largest));
      });
    }
  });
});
