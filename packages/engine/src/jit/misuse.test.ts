/** One table of mistakes, refused by every engine: uncompiled, within `jit`, and by the portable engine as by TensorFlow. */
import { EngineError, findNativeLibrary, openEngine, tf, valueAndGradients, type EngineMode } from '../index';

const MODES: readonly EngineMode[] = ['xla', 'graph', 'mixed', 'eager', 'portable'];
let hasLibrary = false;
beforeAll(async () => void (hasLibrary = (await findNativeLibrary()) !== undefined));

const ints = (...values: number[]): tf.Tensor1D => tf.tensor1d(values, 'int32');
const places = (...rows: number[][]): tf.Tensor2D => tf.tensor2d(rows, undefined, 'int32');

type Mistake = () => tf.Tensor | readonly tf.Tensor[];

const EVERYWHERE: Record<string, Mistake> = {
  'a slice that ends beyond the end': () => tf.slice(tf.ones([2, 3]), [0, 2], [2, 2]),
  'a slice that begins beyond the end': () => tf.slice(tf.ones([4]), [5], [1]),
  'a slice of integers beyond the end': () => tf.slice(ints(1, 2, 3, 4), [2], [3]),
  'a slice that begins before the beginning': () => tf.slice(tf.ones([4]), [-1], [1]),
  'a slice of a negative size': () => tf.slice(tf.ones([4]), [1], [-2]),
  'gathering along an axis that is not there': () => tf.gather(tf.ones([3, 2]), ints(0), 2),
  'reshaping into another number of elements': () => tf.reshape(tf.ones([4]), [3]),
  'reshaping with two unknown sizes': () => tf.reshape(tf.ones([4]), [-1, -1]),
  'reshaping into a negative size': () => tf.reshape(tf.ones([4]), [-2, 2]),
  'a product of matrices that do not fit': () => tf.matMul(tf.ones([2, 3]), tf.ones([2, 3])),
  'a product of batches that do not fit': () => tf.matMul(tf.ones([2, 2, 3]), tf.ones([3, 3, 2])),
  'a sum of shapes that do not fit': () => tf.add(tf.ones([2]), tf.ones([3])),
  'joining shapes that do not fit': () => tf.concat([tf.ones([2, 2]), tf.ones([2, 3])], 0),
  'joining two dtypes': () => tf.concat([tf.ones([2]), ints(1, 2)], 0),
  'stacking two dtypes': () => tf.stack([tf.ones([2]), ints(1, 2)]),
  'choosing between two dtypes': () => tf.where(tf.tensor1d([1, 0], 'bool'), tf.ones([2]), ints(1, 2)),
  'repeating a negative number of times': () => tf.tile(tf.ones([2]), [-1]),
  'padding by a negative number': () => tf.pad(tf.ones([3]), [[-1, 0]]),
  'splitting into unequal parts': () => tf.split(tf.ones([5]), 2),
  'splitting into parts of a negative size': () => tf.split(tf.ones([5]), [7, -2]),
  'reducing an axis that is not there': () => tf.sum(tf.ones([2]), 1),
  'a permutation that names an axis twice': () => tf.transpose(tf.ones([2, 3]), [0, 0]),
  'running sums along an axis that is not there': () => tf.cumsum(tf.ones([2]), 2),
  'the largest along an axis that is not there': () => tf.argMax(tf.ones([2]), 1),
  'a tensor that was disposed': () => {
    const gone = tf.ones([2]);
    gone.dispose();
    return tf.add(gone, 1);
  },
};

/** XLA has no errors for what only the values show: it takes the nearest row, or leaves an update out. */
const BY_VALUE: Record<string, Mistake> = {
  'gathering a row beyond the end': () => tf.gather(tf.ones([3, 2]), ints(5)),
  'gathering a row before the beginning': () => tf.gather(tf.ones([3, 2]), ints(-1)),
  'gathering places beyond the end': () => tf.gatherND(tf.ones([3, 2]), places([2, 1], [5, 0])),
  'scattering beyond the end': () => tf.scatterND(places([5]), tf.tensor1d([1]), [3]),
  'summing up a segment beyond the end': () => tf.unsortedSegmentSum(tf.ones([2]), ints(0, 9), 3),
  'dividing integers by nothing': () => tf.floorDiv(ints(1, 2), ints(1, 0)),
  'the remainder of a division by nothing': () => tf.mod(ints(1, 2), ints(1, 0)),
};

const READS: Record<string, (x: tf.Tensor) => unknown> = {
  dataSync: (x) => x.dataSync(),
  arraySync: (x) => x.arraySync(),
  bufferSync: (x) => x.bufferSync(),
  'print()': (x) => x.print(),
};

describe.each(MODES)('the engine in mode %s', (mode) => {
  const open = async (): Promise<Awaited<ReturnType<typeof openEngine>> | undefined> =>
    hasLibrary || mode === 'portable' ? openEngine({ mode }) : undefined;
  const mistakes = [
    ...Object.entries(EVERYWHERE),
    ...(mode === 'xla' || mode === 'mixed' ? [] : Object.entries(BY_VALUE)),
  ];

  test.each(mistakes)('%s is an error and leaves the engine usable', async (_, make) => {
    const engine = await open();
    if (!engine) return;
    const run = (fn: () => unknown): unknown => {
      try {
        fn();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    const arg = tf.scalar(1);
    const compiled = engine.jit((x: tf.Tensor) => [make(), x].flat(), { name: 'mistaken' });
    for (const error of [run(() => tf.tidy(() => make() as tf.Tensor)), run(() => compiled(arg))]) {
      expect(error).toBeInstanceOf(EngineError);
      // Compiled functions find most of it while they are traced.
      expect(['engine.tensorflow', 'engine.trace-operation', 'engine.dynamic-shape', 'engine.disposed']).toContain(
        (error as EngineError).code,
      );
      if (mode === 'portable' || mode === 'eager') expect((error as EngineError).code).not.toMatch(/trace|dynamic/);
    }
    const sum = tf.tidy(() => [
      ...tf
        .slice(tf.range(0, 4), [1], [-1])
        .add(tf.ones([3]))
        .dataSync(),
    ]);
    expect(sum).toEqual([2, 3, 4]);
    arg.dispose();
    compiled.dispose();
  });

  test.each(Object.entries(READS))('reading a value with %s inside jit is an error', async (_, read) => {
    const engine = await open();
    if (!engine) return;
    const [arg, outer] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const [given, made] = [(x: tf.Tensor): tf.Tensor => x, (x: tf.Tensor): tf.Tensor => x.add(1)];
    for (const choose of [given, made, () => tf.ones([2]).add(1)]) {
      const fn = engine.jit(
        (x: tf.Tensor) => {
          const chosen = choose(x);
          read(chosen);
          return chosen.mul(2);
        },
        { name: 'reading' },
      );
      expect(() => fn(arg)).toThrow(
        expect.objectContaining({
          code: 'engine.value-in-trace',
          message: expect.stringContaining('the value of a tensor inside jit "reading"') as string,
        }),
      );
      fn.dispose();
    }
    // What was there before has a value, as has what the host made; and outside everything has one.
    const log = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    const fn = engine.jit((x: tf.Tensor) => {
      read(outer);
      read(tf.tensor1d([5, 6]));
      return x.mul(2);
    });
    const result = fn(arg);
    read(result);
    log.mockRestore();
    expect([...result.dataSync()]).toEqual([2, 4]);
    tf.dispose([arg, outer, result]);
    fn.dispose();
  });

  test('reading a value with data() inside jit is an error', async () => {
    const engine = await open();
    if (!engine) return;
    const arg = tf.scalar(1);
    let read: Promise<unknown> | undefined;
    const fn = engine.jit((x: tf.Tensor) => {
      read = x.add(1).data();
      read.catch(() => undefined);
      return x.mul(2);
    });
    fn(arg).dispose();
    await expect(read).rejects.toMatchObject({ code: 'engine.value-in-trace' });
    arg.dispose();
    fn.dispose();
  });

  test('reading a value is also an error in a nested compiled function and under a gradient', async () => {
    const engine = await open();
    if (!engine) return;
    const inner = engine.jit((x: tf.Tensor) => x.mul(x.dataSync()[0]), { name: 'inner' });
    const outer = engine.jit((x: tf.Tensor) => inner(x.add(1)), { name: 'outer' });
    const w = tf.tensor1d([2]);
    expect(() => outer(w)).toThrow(/inside jit "outer"/);
    const grad = (): unknown =>
      valueAndGradients((own) => ({ loss: tf.sum(inner(own.w)) as tf.Scalar, auxiliary: {} }), { w });
    expect(grad).toThrow(/inside jit "inner"/);
    // And nothing of it is left behind.
    expect([...w.dataSync()]).toEqual([2]);
    w.dispose();
    inner.dispose();
    outer.dispose();
  });
});
