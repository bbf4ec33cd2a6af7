import { EngineError } from '@graft/errors';
import { HASHED_WORDS } from './kernels/hashed';
import { RANDOM_KERNELS } from './kernels/random';
import { tf } from './tf';
import { elementCount } from './shape';

/**
 * A key: int32 [2], or [3] with a row (`random.atRow`). The same key and shape give the same numbers, eagerly, compiled and on
 * the portable engine.
 */
export type RandomKey = tf.Tensor1D;

/** Whether draws by the key begin at a row of a larger draw. Throws EngineError if it is not a key. */
function hasRow(key: RandomKey): boolean {
  const [length] = key.shape;
  if (key.dtype === 'int32' && key.rank === 1 && (length === 2 || length === 3)) return length === 3;
  throw new EngineError(
    `A random key is int32 [2], or [3] with a row; this one is ${key.dtype} [${key.shape.join(', ')}].`,
    { code: 'engine.random-key', hint: 'Make it with random.key, random.fold, random.split or random.atRow.' },
  );
}

/** The two words of a key that determine the draw. */
const wordsOf = (key: RandomKey): RandomKey => (hasRow(key) ? tf.slice(key, 0, 2) : key);

/** [1] */
const rowOf = (key: RandomKey): tf.Tensor1D =>
  hasRow(key) ? tf.slice(key, 2, 1) : (tf.zeros([1], 'int32') as tf.Tensor1D);

/** `words` with the row of `key`, if it has one. */
const withRowOf = (key: RandomKey, words: RandomKey): RandomKey =>
  hasRow(key) ? tf.concat([words, rowOf(key)]) : words;

/** Separates the words of new keys from those that are drawn by the same key. */
const KEYS = [0x3c6ef372, 0x1b873593] as const;

/** int32 words [n, w] by the hash of their positions. */
function hashed(words: RandomKey, row: tf.Tensor1D, shape: readonly [number, number], bits = 32): tf.Tensor {
  return tf.engine().runKernel<tf.Tensor>(HASHED_WORDS, { key: words, row }, { shape: [...shape], bits });
}

/** Words of `count` keys, [count, 2], from number `first` on. */
const keysFrom = (key: RandomKey, first: tf.Tensor1D, count: number): tf.Tensor =>
  hashed(tf.add(wordsOf(key), tf.tensor1d([...KEYS], 'int32')), first, [count, 2]);

/** int32 words [..shape] of this many random bits, of the rows from the key's on; of a key without one, from the first. */
export function wordsByRow(key: RandomKey, shape: readonly number[], bits?: number): tf.Tensor {
  const [rows = 1, ...rest] = shape;
  return tf.reshape(hashed(wordsOf(key), rowOf(key), [rows, elementCount(rest)], bits), [...shape]);
}

/** float32 in [0, 1). */
function uniform(key: RandomKey, shape: readonly number[]): tf.Tensor {
  if (!hasRow(key)) return tf.engine().runKernel<tf.Tensor>(RANDOM_KERNELS.uniform, { key }, { shape: [...shape] });
  return tf.mul(wordsByRow(key, shape, 24).toFloat(), 2 ** -24);
}

/** Standard normal numbers by Box and Muller's cosine branch. */
function standardNormal(key: RandomKey, shape: readonly number[]): tf.Tensor {
  // With a row in the key, the first axis remains that of the rows.
  const [rows = 1, ...rest] = shape;
  const [radius, angle] = hasRow(key)
    ? tf.unstack(uniform(key, [rows, 2, ...rest]), 1).map((one) => tf.reshape(one, [...shape]))
    : tf.unstack(uniform(key, [2, ...shape]));
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
  // y = 2p - 1 for p uniform between the tails; |y| < 0.955 stays in the central branch.
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
 * Random numbers without hidden state: every draw takes a key, so a compiled step that is called with another key draws
 * other numbers, and one that is replayed draws the same. tfjs's own random functions draw on the host; inside `jit`
 * they would be constants.
 */
export const random = {
  /** A key from one integer or two (each taken modulo 2^32). */
  key(seed: number | readonly [number, number]): RandomKey {
    const [low, high] = typeof seed === 'number' ? [seed, Math.floor(seed / 2 ** 32)] : seed;
    return tf.tensor1d([low | 0, high | 0], 'int32');
  },

  /** A separate key for `data` (an integer or an int32 scalar). */
  fold(key: RandomKey, data: number | tf.Scalar): RandomKey {
    return tf.tidy(() => {
      const shift = typeof data === 'number' ? tf.scalar(data | 0, 'int32') : data;
      if (hasRow(key)) return withRowOf(key, tf.reshape(keysFrom(key, tf.reshape(shift, [1]), 1), [2]));
      const moved = tf.add(key, tf.stack([tf.zerosLike(shift), shift]));
      return tf.engine().runKernel<RandomKey>(RANDOM_KERNELS.bits, { key: moved }, { shape: [2] });
    });
  },

  /** `count` independent keys. */
  split(key: RandomKey, count: number): RandomKey[] {
    return tf.tidy(() => {
      const words = keysFrom(key, tf.zeros([1], 'int32'), count);
      return tf.unstack(words).map((own) => withRowOf(key, own as RandomKey));
    });
  },

  /**
   * The key, int32 [3], whose draws [n, ...] are the rows from `row` on (an integer >= 0, or an int32 scalar) of a
   * larger draw: parts of a batch that are drawn separately get the numbers of the whole batch. Keys derived from it
   * have the row too.
   */
  atRow(key: RandomKey, row: number | tf.Scalar): RandomKey {
    return tf.tidy(() => {
      const first = typeof row === 'number' ? tf.tensor1d([row], 'int32') : tf.reshape(row, [1]);
      return tf.concat([wordsOf(key), first as tf.Tensor1D]);
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

  /** Normal float32 conditioned on being within two standard deviations of the mean. */
  truncatedNormal(key: RandomKey, shape: readonly number[], mean = 0, standardDeviation = 1): tf.Tensor {
    return tf.tidy(() => scaled(standardTruncatedNormal(key, shape), mean, standardDeviation));
  },

  /**
   * A dropout mask to multiply by: float32, 0 with probability `rate` in [0, 1), otherwise 1 / (1 - rate). Throws
   * EngineError for another rate.
   */
  dropoutMask(key: RandomKey, shape: readonly number[], rate: number): tf.Tensor {
    if (!(rate >= 0 && rate < 1)) {
      throw new EngineError(`random.dropoutMask takes a rate in [0, 1), not ${rate}.`, { code: 'engine.random-range' });
    }
    // Of all 2^32 words, those from here on mean "keep".
    const least = Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1) - 2 ** 31;
    return tf.tidy(() => {
      const kept = tf.greaterEqual(wordsByRow(key, shape), tf.scalar(least, 'int32'));
      return tf.mul(tf.cast(kept, 'float32'), 1 / (1 - rate));
    });
  },

  /**
   * Standard Gumbel float32, -log(-log u): the largest of logits plus such noise is a draw from the softmax of the
   * logits, and the k largest are k draws without replacement. Its resolution is 2^-31 in the upper tail, its range
   * [-2.9, 22.2].
   */
  gumbel(key: RandomKey, shape: readonly number[]): tf.Tensor {
    return tf.tidy(() => {
      // By the hash, not by Philox: XLA takes half a minute for 32 million words of Philox.
      const bits = wordsByRow(key, shape);
      // 1 - u rather than u: floats are dense at 0, where the noise is large.
      const rest = tf.mul(tf.add(tf.abs(bits.cast('float32')), 0.5), 2 ** -31);
      // -log(1 - rest). Not by log1p, which tfjs's wasm backend computes as log(1 + x).
      const series = tf.mul(
        rest,
        tf.add(tf.mul(rest, tf.add(tf.mul(rest, tf.add(tf.mul(rest, 1 / 4), 1 / 3)), 1 / 2)), 1),
      );
      const plain = tf.neg(tf.log(tf.maximum(tf.sub(1, rest), 2 ** -24)));
      return tf.neg(tf.log(tf.where(tf.less(rest, 1 / 64), series, plain)));
    });
  },

  /** int32 in [min, max), for ranges up to 2^24. Throws EngineError if the range is empty or too large. */
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
