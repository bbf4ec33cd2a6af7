import { packBfloat16, packIntegers, stochasticBfloat16, unpackBfloat16, unpackIntegers } from './bfloat16';
import { openEngine } from './open';
import { hashedWords } from './kernels/hashed';
import { random, type RandomKey } from './random';
import { cpuPluginFile } from './targets/pjrt';
import { tf } from './tf';

const VALUES = [1, -2.5, 0, 3.14159274, 1e-3, -1e30, 65504, 1.00390625];

/** To the nearest bfloat16, ties to even. */
function rounded(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] += 0x7fff + ((bits[0] >>> 16) & 1);
  bits[0] &= 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

describe('bfloat16 in memory', () => {
  test('packing halves the bytes, and unpacking returns values rounded once', async () => {
    await openEngine({ mode: 'eager' });
    tf.tidy(() => {
      const packed = packBfloat16(tf.tensor2d(VALUES, [2, 4]));
      expect([packed.dtype, packed.shape]).toEqual(['int32', [2, 2]]);
      const back = unpackBfloat16(packed);
      expect(back.shape).toEqual([2, 4]);
      expect(Array.from(back.dataSync())).toEqual(VALUES.map(rounded));
      // The words lie as a checkpoint's bytes do.
      expect(new Uint16Array(packed.dataSync().slice().buffer)[1]).toBe(0xc020);
    });
  });

  test.each(['eager', 'graph', 'mixed', 'xla'] as const)(
    'a matrix product reads packed weights without widening them: %s',
    async (mode) => {
      const engine = await openEngine({ mode, precision: 'bfloat16' });
      const weights = tf.tensor2d(
        Float32Array.from({ length: 6 * 8 }, (_, i) => Math.sin(i)),
        [6, 8],
      );
      const rows = tf.tensor2d(
        Float32Array.from({ length: 3 * 8 }, (_, i) => Math.cos(i)),
        [3, 8],
      );
      const packed = packBfloat16(weights);
      const product = engine.jit(
        (x: tf.Tensor, w: tf.Tensor) => tf.matMul(x as tf.Tensor2D, unpackBfloat16(w) as tf.Tensor2D, false, true),
        { name: 'product' },
      );
      const plain = engine.jit(
        (x: tf.Tensor, w: tf.Tensor) => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true),
        { name: 'plain' },
      );
      const [got, expected] = [product(rows, packed), plain(rows, weights)];
      expect(Array.from(got.dataSync())).toEqual(Array.from(expected.dataSync()));
      // Compiled, nothing wide is made of the weights: bitcast, reshape with its sizes, the rows' cast, the product, a cast.
      if (mode !== 'eager') expect(product.statistics.operations).toBe(6);
      tf.dispose([weights, rows, packed, got, expected]);
      product.dispose();
      plain.dispose();
    },
  );

  test('packing rejects an odd last dimension and integers', async () => {
    await openEngine({ mode: 'eager' });
    expect(() => packBfloat16(tf.zeros([2, 3]))).toThrow(/even last dimension, but got float32 \[2, 3\]/);
    expect(() => packBfloat16(tf.zeros([2, 2], 'int32'))).toThrow(/but got int32/);
    expect(() => packIntegers(tf.zeros([2, 6]), 'int8')).toThrow(/a multiple of 4, but got float32 \[2, 6\]/);
    expect(() => unpackIntegers(tf.zeros([2, 2]), 'int8')).toThrow(/what packIntegers gives, int32 \[..., n \/ 4\]/);
  });
});

test.each([1, 2, 3, 8, 32, 33])('XLA multiplies %i rows by a large matrix like eager TensorFlow', async (count) => {
  const engine = await openEngine({ mode: 'xla' });
  const weights = tf.randomNormal([514, 256], 0, 1, 'float32', 1);
  const rows = tf.randomNormal([count, 256], 0, 1, 'float32', 2);
  const compiled = engine.jit((x: tf.Tensor2D, w: tf.Tensor2D) => tf.matMul(x, w, false, true), { name: 'rows' });
  const got = compiled(rows as tf.Tensor2D, weights as tf.Tensor2D);
  const expected = tf.matMul(rows as tf.Tensor2D, weights as tf.Tensor2D, false, true);
  expect(got.shape).toEqual([count, 514]);
  const difference = tf.max(tf.abs(tf.sub(got, expected))).dataSync()[0];
  expect(difference).toBeLessThan(1e-4);
  tf.dispose([weights, rows, got, expected]);
  compiled.dispose();
});

/** Numbers of many sizes, and those that rounding could spoil. */
const NUMBERS = [...Array.from({ length: 250 }, (_, i) => Math.sin(i + 1) * 10 ** ((i % 21) - 10)), 0, -0, 3e38, -3e38, NaN, Infinity]; // prettier-ignore

describe('narrow numbers', () => {
  const pjrt = cpuPluginFile();
  const modes = [
    'xla',
    'graph',
    'mixed',
    'eager',
    'portable',
    ...(pjrt === undefined ? [] : (['pjrt'] as const)),
  ] as const;

  test.each(modes)('%s packs, unpacks and rounds to the same numbers as plain arithmetic', async (mode) => {
    const engine = await openEngine({ mode, plugin: mode === 'pjrt' ? pjrt : undefined });
    const key = random.atRow(random.key([17, -5]), 3);
    const compute = engine.jit(
      (x: tf.Tensor, codes: tf.Tensor, at: RandomKey) => ({
        nearest: unpackBfloat16(packBfloat16(x)),
        stochastic: stochasticBfloat16(x, at),
        int8: unpackIntegers(packIntegers(tf.sub(codes, 128), 'int8'), 'int8'),
        uint8: unpackIntegers(packIntegers(codes, 'uint8'), 'uint8'),
        words: packIntegers(codes, 'uint8'),
      }),
      { name: 'narrow' },
    );
    const codes = Float32Array.from({ length: 256 }, (_, i) => i);
    const x = tf.tensor2d(NUMBERS, [8, 32]);
    const got = compute(x, tf.tensor2d(codes, [8, 32]), key);
    const values = async (tensor: tf.Tensor): Promise<number[]> => Array.from(await tensor.data());
    expect(await values(got.nearest)).toEqual(NUMBERS.map(rounded));
    expect(await values(got.int8)).toEqual(Array.from(codes, (code) => code - 128));
    expect(await values(got.uint8)).toEqual(Array.from(codes));
    expect(new Uint8Array((await got.words.data()).slice().buffer)).toEqual(Uint8Array.from(codes));
    const words = hashedWords([17, -5], 3, { shape: [8, 32], bits: 16 });
    const bits = new Int32Array(Float32Array.from(NUMBERS).buffer);
    const expected = new Float32Array(bits.map((word, i) => (word + words[i]) & 0xffff0000).buffer);
    expect(await values(got.stochastic)).toEqual(NUMBERS.map((value, i) => (Number.isNaN(value) ? NaN : expected[i])));
    compute.dispose();
  });

  test('the mean of stochastic rounding over many keys is the number itself', async () => {
    await openEngine({ mode: 'portable' });
    // A tenth of the way from 1 to the next bfloat16 number, which the nearest would lose.
    const value = 1 + 2 ** -7 / 10;
    tf.tidy(() => {
      const rows = stochasticBfloat16(tf.fill([1000, 64], value), random.atRow(random.key(1), 0));
      const values = Array.from(rows.dataSync());
      expect([...new Set(values)].sort()).toEqual([1, 1 + 2 ** -7]);
      expect(values.reduce((sum, one) => sum + one, 0) / values.length).toBeCloseTo(value, 4);
      expect(unpackBfloat16(packBfloat16(tf.fill([2], value))).dataSync()[0]).toBe(1);
    });
  });
});
