import { packBfloat16, unpackBfloat16 } from './bfloat16';
import { openEngine } from './open';
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

  test('packing rejects an odd last dimension, integers and the portable engine', async () => {
    await openEngine({ mode: 'eager' });
    expect(() => packBfloat16(tf.zeros([2, 3]))).toThrow(/even last dimension, but got float32 \[2, 3\]/);
    expect(() => packBfloat16(tf.zeros([2, 2], 'int32'))).toThrow(/but got int32/);
    await openEngine({ mode: 'portable' });
    expect(() => packBfloat16(tf.zeros([2, 2]))).toThrow(/needs the native engine/);
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
