import { openEngine, prefersTransposedKeys, tf } from '../../../index';
import { describeNative } from '@graft/test-support';

describeNative('a few queries of many stored places', () => {
  // Tensors belong to the engine that is open when they are made.
  beforeAll(async () => {
    await openEngine({ mode: 'graph' });
  });

  /** Batch, heads, rows, terms, columns; whether it is written as sums. */
  test.each([
    ['values, one row', [8, 8, 1, 256, 64], true],
    ['keys, one row', [8, 8, 1, 64, 256], true],
    ['a tile and a half', [4, 8, 1, 64, 384], true],
    ['tiles and a rest', [2, 4, 1, 64, 1040], true],
    ['two rows', [4, 8, 2, 128, 272], true],
    ['a prime number of groups', [8, 8, 1, 4 * 37, 64], true],
    ['little', [1, 8, 1, 64, 256], false],
    ['very much', [8, 8, 1, 64, 1024], false],
    ['three rows', [8, 8, 3, 64, 256], false],
    ['a broken line', [8, 8, 1, 64, 250], false],
  ] as const)(
    "XLA's product equals the plain one, rewritten or not: %s",
    async (_, [batch, heads, rows, terms, columns], written) => {
      const a = tf.randomUniform([batch, heads, rows, terms], -1, 1, 'float32', 1) as tf.Tensor4D;
      const b = tf.randomUniform([batch, heads, terms, columns], -1, 1, 'float32', 2) as tf.Tensor4D;
      const run = async (mode: 'xla' | 'graph'): Promise<{ values: Float32Array; operations: number }> => {
        const engine = await openEngine({ mode });
        const multiply = engine.jit((x: tf.Tensor4D, y: tf.Tensor4D) => tf.matMul(x, y));
        const product = multiply(a, b);
        expect(product.shape).toEqual([batch, heads, rows, columns]);
        const values = product.dataSync() as Float32Array;
        product.dispose();
        const { operations } = multiply.statistics;
        multiply.dispose();
        return { values, operations };
      };
      const [plain, sums] = [await run('graph'), await run('xla')];
      expect(sums.operations > plain.operations).toBe(written);
      let worst = 0;
      for (let i = 0; i < plain.values.length; i++) worst = Math.max(worst, Math.abs(plain.values[i] - sums.values[i]));
      expect(worst).toBeLessThan(2e-5);
      tf.dispose([a, b]);
    },
  );

  test('transposed keys are preferred only where XLA compiles in float32', async () => {
    const answers: boolean[] = [];
    const ask = (x: tf.Tensor): tf.Tensor => {
      answers.push(prefersTransposedKeys(64, 1, 256, 64));
      return tf.add(x, 1);
    };
    const x = tf.scalar(1);
    for (const options of [{ mode: 'xla' }, { mode: 'graph' }, { mode: 'xla', precision: 'bfloat16' }] as const) {
      const engine = await openEngine(options);
      const fn = engine.jit(ask);
      fn(x).dispose();
      fn.dispose();
    }
    expect(answers).toEqual([true, false, false]);
    expect(prefersTransposedKeys(64, 1, 256, 64)).toBe(false);
    x.dispose();
  });
});
