import { openEngine, packBfloat16, tf, unpackBfloat16, type EngineOptions } from '../../../index';
import { describeNative } from '@graft/test-support';

describeNative('a few rows times a packed matrix', () => {
  // Tensors belong to the engine that is open when they are made.
  beforeAll(async () => {
    await openEngine({ mode: 'graph' });
  });

  const product = (x: tf.Tensor2D, words: tf.Tensor): tf.Tensor =>
    tf.matMul(x, unpackBfloat16(words) as tf.Tensor2D, false, true);

  async function run(options: EngineOptions, shortCalls: boolean, inputs: readonly [tf.Tensor2D, tf.Tensor]) {
    const engine = await openEngine(options);
    const multiply = engine.jit(product, { shortCalls });
    const result = multiply(...inputs);
    const values = result.dataSync() as Float32Array;
    result.dispose();
    const { operations } = multiply.statistics;
    multiply.dispose();
    return { values, operations };
  }

  test.each([
    ['one row', [1, 512, 256], true],
    ['four rows', [4, 512, 256], true],
    ['an odd number of outputs', [3, 1031, 64], true],
    ['five rows', [5, 512, 256], false],
    ['a width that vectors do not fill', [1, 4096, 40], false],
    ['a small matrix', [1, 64, 256], false],
  ] as const)('sums of XLA equal the plain product of the same numbers: %s', async (_, [rows, out, width], written) => {
    const x = tf.randomUniform([rows, width], -1, 1, 'float32', 1) as tf.Tensor2D;
    const words = tf.tidy(() => packBfloat16(tf.randomUniform([out, width], -1, 1, 'float32', 2)));
    const plain = await run({ mode: 'graph' }, false, [x, words]);
    const sums = await run({ mode: 'xla' }, false, [x, words]);
    const few = sums.operations > 3 * plain.operations;
    expect(few).toBe(written);
    let worst = 0;
    plain.values.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - sums.values[i]))));
    expect(worst).toBeLessThan(2e-5);
    tf.dispose([x, words]);
  });

  test('short calls of mixed are sums of XLA for a few rows and a graph for many', async () => {
    const options = { mode: 'mixed', precision: 'bfloat16' } as const;
    const words = tf.tidy(() => packBfloat16(tf.randomUniform([512, 256], -1, 1, 'float32', 2)));
    for (const [rows, written] of [
      [1, true],
      [5, false],
    ] as const) {
      const x = tf.randomUniform([rows, 256], -1, 1, 'float32', 1) as tf.Tensor2D;
      const exact = await run({ mode: 'graph' }, false, [x, words]);
      const short = await run(options, true, [x, words]);
      expect(short.operations > 50).toBe(written);
      // Both round the product to bfloat16; sums of XLA are of factors that are not rounded.
      const worst = Math.max(...exact.values.map((value, i) => Math.abs(value - short.values[i])));
      const ulp = Math.max(...exact.values.map(Math.abs)) / 256;
      expect(worst).toBeLessThan(written ? ulp : 4 * ulp);
      x.dispose();
    }
    words.dispose();
  });
});
