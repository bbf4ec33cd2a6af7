import { EngineError } from './errors';
import { RANDOM_KERNELS } from './kernels/random';
import { tf } from './tf';

/** A key: int32 [2]. The same key and shape give the same numbers, eagerly, compiled and on the portable engine. */
export type RandomKey = tf.Tensor1D;

function uniform(key: RandomKey, shape: readonly number[]): tf.Tensor {
  return tf.engine().runKernel<tf.Tensor>(RANDOM_KERNELS.uniform, { key }, { shape: [...shape] });
}

/** Standard normal numbers by Box and Muller's cosine branch. */
function standardNormal(key: RandomKey, shape: readonly number[]): tf.Tensor {
  const pairs = uniform(key, [2, ...shape]);
  const [radius, angle] = tf.unstack(pairs);
  // 1 - u lies in (0, 1], so the logarithm is finite.
  return tf.sqrt(tf.mul(-2, tf.log(tf.sub(1, radius)))).mul(tf.cos(angle.mul(2 * Math.PI)));
}

/** Probability that a standard normal number lies below -2. */
const LOWER_TAIL = 0.022750131948179195;
/** Giles (2012), "Approximating the erfinv function", central branch, highest power first. */
const INVERSE_ERF = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
  0.246640727, 1.50140941,
];

/** Standard normal numbers conditioned on |x| <= 2, by the inverse of the distribution function. */
function standardTruncatedNormal(key: RandomKey, shape: readonly number[]): tf.Tensor {
  // y = 2p - 1 for p uniform between the tails; |y| < 0.955 keeps to the central branch.
  const y = uniform(key, shape)
    .mul(2 * (1 - 2 * LOWER_TAIL))
    .sub(1 - 2 * LOWER_TAIL);
  const w = tf.log(tf.sub(1, y.square())).neg().sub(2.5);
  const polynomial = INVERSE_ERF.slice(1).reduce<tf.Tensor>(
    (sum, coefficient) => sum.mul(w).add(coefficient),
    tf.scalar(INVERSE_ERF[0]),
  );
  return polynomial.mul(y).mul(Math.SQRT2);
}

function scaled(unit: tf.Tensor, mean: number, deviation: number): tf.Tensor {
  const spread = deviation === 1 ? unit : unit.mul(deviation);
  return mean === 0 ? spread : spread.add(mean);
}

/**
 * Random numbers without hidden state: every draw names its key, so a compiled step that is called with another key
 * draws other numbers, and one that is replayed draws the same. tfjs's own random functions draw on the host; inside
 * `jit` they would be constants.
 */
export const random = {
  /** A key from one integer or two (each taken modulo 2^32). */
  key(seed: number | readonly [number, number]): RandomKey {
    const [low, high] = typeof seed === 'number' ? [seed, Math.floor(seed / 2 ** 32)] : seed;
    return tf.tensor1d([low | 0, high | 0], 'int32');
  },

  /** A key of its own for `data` (an integer or an int32 scalar). */
  fold(key: RandomKey, data: number | tf.Scalar): RandomKey {
    return tf.tidy(() => {
      const shift = typeof data === 'number' ? tf.scalar(data | 0, 'int32') : data;
      const moved = tf.add(key, tf.stack([tf.zerosLike(shift), shift]));
      return tf.engine().runKernel<RandomKey>(RANDOM_KERNELS.bits, { key: moved }, { shape: [2] });
    });
  },

  /** Uniform float32 in [min, max). */
  uniform(key: RandomKey, shape: readonly number[], min = 0, max = 1): tf.Tensor {
    return tf.tidy(() => scaled(uniform(key, shape), min, max - min));
  },

  /** Normal float32. */
  normal(key: RandomKey, shape: readonly number[], mean = 0, standardDeviation = 1): tf.Tensor {
    return tf.tidy(() => scaled(standardNormal(key, shape), mean, standardDeviation));
  },

  /** Normal float32 conditioned on lying within two standard deviations of the mean. */
  truncatedNormal(key: RandomKey, shape: readonly number[], mean = 0, standardDeviation = 1): tf.Tensor {
    return tf.tidy(() => scaled(standardTruncatedNormal(key, shape), mean, standardDeviation));
  },

  /** int32 in [min, max), for ranges up to 2^24. Throws EngineError where there is no such number. */
  integers(key: RandomKey, shape: readonly number[], min: number, max: number): tf.Tensor {
    if (!(min < max && max - min <= 2 ** 24)) {
      throw new EngineError(
        `random.integers draws from [min, max) with at most 2^24 numbers, but got [${min}, ${max}).`,
        {
          code: 'engine.random-range',
        },
      );
    }
    return tf.tidy(() =>
      uniform(key, shape)
        .mul(max - min)
        .floor()
        .minimum(max - min - 1)
        .add(min)
        .cast('int32'),
    );
  },
};
