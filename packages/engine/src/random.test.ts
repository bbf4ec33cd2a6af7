import { openEngine, random, tf, type Engine, type EngineMode } from './index';
import { philoxBits } from './kernels/philox';

/** Words that TensorFlow 2.21 draws for the stateless seed [42, 0], shape [7], read once from its own kernel. */
const SEED_42_UPPER = [
  0.28375470638275146, 0.23730158805847168, 0.44280362129211426, 0.6172268986701965, 0.6095284819602966,
  0.5051299929618835, 0.3842870593070984,
];

test('Philox in JavaScript draws the same numbers as TensorFlow', () => {
  expect(Array.from(philoxBits([42, 0], 7), (word) => Math.fround((word >>> 8) * 2 ** -24))).toEqual(SEED_42_UPPER);
});

describe('random', () => {
  const modes: EngineMode[] = ['portable', 'eager', 'graph', 'mixed', 'xla'];
  const draws: Record<string, number[]>[] = [];
  test.each(modes)('a key gives the same numbers on %s as on every other engine', async (mode) => {
    const engine: Engine = await openEngine({ mode });
    const fn = engine.jit((key: tf.Tensor) => ({
      uniform: random.uniform(key as tf.Tensor1D, [7]),
      normal: random.normal(key as tf.Tensor1D, [101], 1, 2),
      gumbel: random.gumbel(key as tf.Tensor1D, [101]),
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
    for (const name of ['normal', 'truncated', 'gumbel'])
      last[name].forEach((value, i) => expect(value).toBeCloseTo(draws[0][name][i], 5));
    expect(Math.max(...last.truncated.map(Math.abs))).toBeLessThanOrEqual(2);
    expect(new Set(last.integers)).toEqual(new Set([-3, -2, -1, 0, 1, 2, 3]));
    expect(last.folded).not.toEqual(last.uniform.slice(0, 5));
  });

  test('the k largest of logits plus Gumbel noise are k draws without replacement', async () => {
    await openEngine({ mode: 'portable' });
    const p = [0.5, 0.3, 0.15, 0.05];
    const draws_ = 20_000;
    const noise = random.gumbel(random.key([3, 4]), [draws_, 4]);
    const { indices } = tf.topk(tf.add(noise, tf.log(p)), 2);
    const pairs = indices.arraySync() as number[][];
    for (const [i, first] of p.entries()) {
      for (const [j, second] of p.entries()) {
        if (i === j) continue;
        const expected = (first * second) / (1 - first);
        const seen = pairs.filter(([a, b]) => a === i && b === j).length / draws_;
        // Five standard deviations.
        expect(Math.abs(seen - expected)).toBeLessThan(5 * Math.sqrt((expected * (1 - expected)) / draws_));
      }
    }
    const values = Array.from(noise.dataSync());
    // Far out, where few words lead: P(g > 8) is 3.4e-4.
    const many = random.gumbel(random.key(9), [1000, 1000]).dataSync();
    const far = many.filter((value) => value > 8).length;
    expect(Math.abs(far - 1e6 * (1 - Math.exp(-Math.exp(-8))))).toBeLessThan(5 * Math.sqrt(336));
    expect(Math.max(...many.filter((value) => value > 8))).toBeLessThan(22.2);
    expect(Math.min(...values.slice(0, 1000))).toBeGreaterThan(-2.9);
    // The mean is Euler's constant.
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length - 0.5772)).toBeLessThan(0.02);
  });

  test('a longer draw from a key begins with the shorter one', async () => {
    for (const mode of modes) {
      const engine = await openEngine({ mode });
      const fn = engine.jit((key: tf.Tensor) => [3, 8].map((rows) => random.gumbel(key as tf.Tensor1D, [rows, 5])));
      const key = random.key(11);
      const [few, many] = fn(key);
      // The words are the same; logarithms may differ in the last place.
      many
        .dataSync()
        .slice(0, 15)
        .forEach((value, i) => expect(value).toBeCloseTo(few.dataSync()[i], 5));
      tf.dispose([key, few, many]);
      fn.dispose();
    }
  });

  test('normal draws have the right mean and variance', async () => {
    await openEngine({ mode: 'portable' });
    const values = Array.from(random.normal(random.key([1, 2]), [20000]).dataSync());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });

  test.each(modes)('a key with a row draws those rows of the whole batch on %s', async (mode) => {
    const engine = await openEngine({ mode });
    const at = (key: tf.Tensor1D, row: number, count: number): Record<string, tf.Tensor> => {
      const own = random.atRow(key, row);
      const [first, second] = random.split(own, 2);
      return {
        // 12 numbers a row are whole blocks of four, 15 are not; one number a row, and no other axis.
        even: random.uniform(own, [count, 3, 4]),
        odd: random.uniform(own, [count, 5, 3]),
        flat: random.uniform(first, [count]),
        normal: random.normal(second, [count, 3]),
        folded: random.dropoutMask(random.fold(own, 9), [count, 7], 0.3),
      };
    };
    const fn = engine.jit((key: tf.Tensor, row: number, count: number) => at(key as tf.Tensor1D, row, count));
    const key = random.key([-5, 2 ** 31 + 77]);
    const read = (tensors: Record<string, tf.Tensor>): Record<string, number[]> => {
      const values = Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, [...one.dataSync()]]));
      tf.dispose(tensors);
      return values;
    };
    const [whole, front, back] = [read(fn(key, 0, 6)), read(fn(key, 0, 2)), read(fn(key, 2, 4))];
    for (const [name, values] of Object.entries(whole)) {
      const parts = [...front[name], ...back[name]];
      if (name === 'normal') values.forEach((value, i) => expect(parts[i]).toBeCloseTo(value, 5));
      else expect(parts).toEqual(values);
      expect(new Set(values).size).toBeGreaterThan(name === 'folded' ? 1 : values.length * 0.9);
    }
    rows.push(whole);
    for (const name of ['even', 'odd', 'flat', 'folded']) expect(whole[name]).toEqual(rows[0][name]);
    const far = random.uniform(random.atRow(key, 2 ** 20), [2, 2 ** 14]);
    const last = tf.tidy(() => [...far.dataSync().slice(0, 8)]);
    fars.push(last);
    expect(last).toEqual(fars[0]);
    tf.dispose([key, far]);
    fn.dispose();
  });
  const rows: Record<string, number[]>[] = [];
  const fars: number[][] = [];

  test.each(modes)('a dropout mask keeps the right share, scaled, on %s', async (mode) => {
    const engine = await openEngine({ mode });
    const fn = engine.jit((key: tf.Tensor) => random.dropoutMask(key as tf.Tensor1D, [100, 1000], 0.11));
    const key = random.key(3);
    const mask = fn(key);
    const values = Array.from(mask.dataSync());
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.89)]));
    const kept = values.filter((value) => value > 0).length / values.length;
    // Five standard deviations of a share of 100,000.
    expect(Math.abs(kept - 0.89)).toBeLessThan(5 * Math.sqrt((0.89 * 0.11) / 1e5));
    masks.push(values);
    expect(values).toEqual(masks[0]);
    tf.dispose([key, mask]);
    fn.dispose();
  });
  const masks: number[][] = [];

  test('invalid keys and dropout rates outside [0, 1) are rejected', async () => {
    await openEngine({ mode: 'portable' });
    expect(() => random.uniform(tf.tensor1d([1, 2]), [2])).toThrow('A random key is int32 [2], or [3] with a row');
    expect(() => random.split(tf.tensor1d([1, 2, 3, 4], 'int32'), 2)).toThrow('this one is int32 [4]');
    const key = random.key(1);
    for (const rate of [-0.1, 1, NaN]) expect(() => random.dropoutMask(key, [2], rate)).toThrow('a rate in [0, 1)');
    key.dispose();
  });
});
