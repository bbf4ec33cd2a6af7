import { openEngine, tf, type EngineMode } from '../../../index';
import { describeNative } from '@graft/test-support';

const [DEPTH, ROWS, WIDTH] = [3, 4100, 4096];

/** a^T b + c^T d + e^T f, added up one after the other as a chunked loss adds up its gradients. */
const sumOfProducts = (pairs: readonly (readonly [tf.Tensor2D, tf.Tensor2D])[]): tf.Tensor => {
  const [first, ...others] = pairs.map(([a, b]) => tf.matMul(a, b, true, false));
  return others.reduce((sum: tf.Tensor, product) => tf.add(sum, product), first);
};

describeNative('sums of large products', () => {
  test('a sum of large products computed in parts has the same values and needs less memory', async () => {
    const random = (seed: number, shape: [number, number]): tf.Tensor2D =>
      tf.randomUniform(shape, -1, 1, 'float32', seed);
    const run = async (mode: EngineMode): Promise<{ values: Float32Array; bytes: number }> => {
      const engine = await openEngine({ mode });
      let bytes = 0;
      const fn = engine.jit(sumOfProducts, { onTrace: ({ temporaryBytes }) => (bytes = temporaryBytes) });
      const pairs = [1, 2, 3].map((seed) => [random(seed, [DEPTH, ROWS]), random(10 + seed, [DEPTH, WIDTH])] as const);
      const sum = fn(pairs);
      const values = sum.dataSync() as Float32Array;
      tf.dispose([sum, pairs] as tf.TensorContainer);
      fn.dispose();
      return { values, bytes };
    };
    const [whole, parts] = [await run('graph'), await run('xla')];
    let worst = 0;
    for (let i = 0; i < whole.values.length; i++) worst = Math.max(worst, Math.abs(whole.values[i] - parts.values[i]));
    expect(worst).toBeLessThan(1e-5);
    // Two tables and the product of a third, against one table and parts.
    expect(whole.bytes).toBeGreaterThanOrEqual(3 * 4 * ROWS * WIDTH);
    expect(parts.bytes).toBeLessThan(whole.bytes);
  });
});
