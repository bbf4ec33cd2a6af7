import { openEngine, random, tf, type Engine, type EngineMode } from './index';
import { philoxBits } from './kernels/philox';

/** Words that TensorFlow 2.21 draws for the stateless seed [42, 0], shape [7], read once from its own kernel. */
const SEED_42_UPPER = [
  0.28375470638275146, 0.23730158805847168, 0.44280362129211426, 0.6172268986701965, 0.6095284819602966,
  0.5051299929618835, 0.3842870593070984,
];

test('Philox here draws what TensorFlow draws', () => {
  expect(Array.from(philoxBits([42, 0], 7), (word) => Math.fround((word >>> 8) * 2 ** -24))).toEqual(SEED_42_UPPER);
});

describe('random', () => {
  const modes: EngineMode[] = ['portable', 'eager', 'graph', 'mixed', 'xla'];
  const draws: Record<string, number[]>[] = [];
  test.each(modes)('draws on %s', async (mode) => {
    const engine: Engine = await openEngine({ mode });
    const fn = engine.jit((key: tf.Tensor) => ({
      uniform: random.uniform(key as tf.Tensor1D, [7]),
      normal: random.normal(key as tf.Tensor1D, [101], 1, 2),
      truncated: random.truncatedNormal(key as tf.Tensor1D, [1000]),
      integers: random.integers(key as tf.Tensor1D, [50], -3, 4),
      folded: random.uniform(random.fold(key as tf.Tensor1D, 9), [5]),
    }));
    const key = random.key(42);
    const out = fn(key);
    draws.push(Object.fromEntries(Object.entries(out).map(([name, tensor]) => [name, Array.from(tensor.dataSync())])));
    tf.dispose([key, out]);
    fn.dispose();
    const last = draws[draws.length - 1];
    expect(last.uniform).toEqual(SEED_42_UPPER);
    expect(last.integers).toEqual(draws[0].integers);
    expect(last.folded).toEqual(draws[0].folded);
    for (const name of ['normal', 'truncated'])
      last[name].forEach((value, i) => expect(value).toBeCloseTo(draws[0][name][i], 5));
    expect(Math.max(...last.truncated.map(Math.abs))).toBeLessThanOrEqual(2);
    expect(new Set(last.integers)).toEqual(new Set([-3, -2, -1, 0, 1, 2, 3]));
    expect(last.folded).not.toEqual(last.uniform.slice(0, 5));
  });

  test('has the moments of its distributions', async () => {
    await openEngine({ mode: 'portable' });
    const values = Array.from(random.normal(random.key([1, 2]), [20000]).dataSync());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });
});
