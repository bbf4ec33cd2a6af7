import { namedKey, type OptimizerState, type OptimizerUpdate } from '@graft/core';
import {
  packBfloat16,
  packIntegers,
  random,
  stochasticBfloat16,
  tf,
  unpackBfloat16,
  unpackIntegers,
  type RandomKey,
  type TensorSpec,
} from '@graft/engine';
import { z } from 'zod';

/** How moments are stored. */
export const momentsOption = z
  .enum(['float32', 'bfloat16', 'int8'])
  .optional()
  .describe(
    'Dtype in which the moments are stored; int8: a byte a number, with a scale for each 256 of them. Default: float32.',
  );

/** The dtypes of stored moments. */
export type MomentsDtype = 'float32' | 'bfloat16' | 'int8';

/** Consecutive numbers of a row that share a scale. */
const BLOCK = 256;

/** Tensors with fewer numbers stay float32: they save nothing, and norms and biases are the sensitive ones. */
const LEAST_SIZE = 4096;

/** Of an all-zero block. */
const TINY = 1e-30;

/** Codes of numbers relative to the largest of their block, in [-1, 1] or [0, 1]. Increasing, and 0 has the code 0. */
interface CodeBook {
  readonly as: 'int8' | 'uint8';
  readonly largest: number;
  /** The place of a number >= 0 among the codes: its code, or between two. */
  place(relative: tf.Tensor): tf.Tensor;
  /** The number of a code >= 0. */
  number(code: tf.Tensor): tf.Tensor;
}

/**
 * For numbers with a sign: (code / 127)^3. Steps of 2.4 % of the number at the top of a block, 24 % at a thousandth of it,
 * down to 5e-7: as the dynamic maps of Dettmers et al. (2022), in arithmetic instead of a table.
 */
const CUBES: CodeBook = {
  as: 'int8',
  largest: 127,
  place: (relative) => tf.mul(tf.pow(relative, 1 / 3), 127),
  number: (code) => {
    const root = tf.mul(code, 1 / 127);
    return tf.mul(tf.mul(root, root), root);
  },
};

/** log2 of the ratio between the codes 1 and 255. */
const OCTAVES = 32;

/**
 * For second moments, whose root divides: 2^(OCTAVES (code - 255) / 254), and 0. Steps of 9 % of the number, 4 % of its root,
 * whatever its size: no small second moment becomes 0, which would make its parameter's update infinite.
 */
const POWERS: CodeBook = {
  as: 'uint8',
  largest: 255,
  place: (relative) => {
    const place = tf.add(tf.mul(tf.log(tf.maximum(relative, 2 ** -OCTAVES)), 254 / (OCTAVES * Math.LN2)), 255);
    return tf.where(tf.greater(relative, 0), tf.maximum(place, 1), tf.zerosLike(place));
  },
  number: (code) => {
    const power = tf.exp(tf.mul(tf.sub(code, 255), (OCTAVES * Math.LN2) / 254));
    return tf.mul(power, tf.minimum(code, 1));
  },
};

/** [.., n] as [.., blocks, BLOCK], the last block filled with zeros. */
function inBlocks(values: tf.Tensor): tf.Tensor {
  const [width, leading] = [values.shape[values.rank - 1], values.shape.slice(0, -1)];
  const blocks = Math.ceil(width / BLOCK);
  const surplus = blocks * BLOCK - width;
  const padded =
    surplus === 0 ? values : tf.pad(values, [...leading.map((): [number, number] => [0, 0]), [0, surplus]]);
  return tf.reshape(padded, [...leading, blocks, BLOCK]);
}

/** The inverse of `inBlocks`. */
function ofBlocks(blocks: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const padded = tf.reshape(blocks, [...shape.slice(0, -1), blocks.shape[blocks.rank - 2] * BLOCK]);
  return padded.shape.join() === shape.join()
    ? padded
    : tf.slice(
        padded,
        shape.map(() => 0),
        [...shape],
      );
}

/**
 * The codes of numbers, and the scales of their blocks. With a key they are rounded up or down so that the mean is the
 * number itself, otherwise to the nearest.
 */
function encoded(
  values: tf.Tensor,
  book: CodeBook,
  key: RandomKey | undefined,
): { codes: tf.Tensor; scales: tf.Tensor } {
  const blocks = inBlocks(values);
  const sizes = tf.abs(blocks);
  const scales = tf.max(sizes, -1); // [.., blocks]
  const relative = tf.div(sizes, tf.maximum(tf.expandDims(scales, -1), TINY));
  const below = tf.floor(book.place(relative));
  const [low, high] = [book.number(below), book.number(tf.add(below, 1))];
  const share = tf.div(tf.sub(relative, low), tf.sub(high, low));
  const drawn = key ? random.uniform(key, blocks.shape) : tf.scalar(0.5);
  const sized = tf.minimum(tf.add(below, tf.less(drawn, share).toFloat()), book.largest);
  const codes = book.as === 'int8' ? tf.mul(sized, tf.sign(blocks)) : sized;
  return { codes: packIntegers(ofBlocks(codes, values.shape), book.as), scales };
}

/** float32 numbers of codes [.., n / 4] and scales [.., blocks]. */
function decoded(codes: tf.Tensor, scales: tf.Tensor, book: CodeBook): tf.Tensor {
  const wide = unpackIntegers(codes, book.as);
  const blocks = inBlocks(wide);
  const numbers = tf.mul(book.number(tf.abs(blocks)), tf.expandDims(scales, -1));
  return ofBlocks(book.as === 'int8' ? tf.mul(numbers, tf.sign(blocks)) : numbers, wide.shape);
}

/**
 * One moment of every parameter: `<optimizer>.m/<parameter>`, and with `int8` also its scales, `<optimizer>.m.scale/…`.
 * Everything is traceable.
 */
export class Moment {
  private readonly book: CodeBook;
  private readonly prefix: string;

  /** `m`: the first moment, numbers with a sign; `v`: the second, of which the root is taken. */
  constructor(
    optimizer: string,
    moment: 'm' | 'v',
    private readonly dtype: MomentsDtype,
  ) {
    this.prefix = `${optimizer}.${moment}`;
    this.book = moment === 'm' ? CUBES : POWERS;
  }

  /** The stored tensors of a parameter's moment. */
  specs(name: string, shape: readonly number[]): Record<string, TensorSpec> {
    const [width, leading] = [shape[shape.length - 1], shape.slice(0, -1)];
    const key = this.key(name);
    switch (this.dtypeOf(shape)) {
      case 'float32':
        return { [key]: { shape: [...shape], dtype: 'float32' } };
      case 'bfloat16':
        return { [key]: { shape: [...leading, width / 2], dtype: 'int32' } };
      case 'int8':
        return {
          [key]: { shape: [...leading, width / 4], dtype: 'int32' },
          [this.scaleKey(name)]: { shape: [...leading, Math.ceil(width / BLOCK)], dtype: 'float32' },
        };
    }
  }

  /** A moment that is zero. */
  init(name: string, parameter: tf.Tensor): OptimizerState {
    if (this.dtypeOf(parameter.shape) === 'float32') return { [this.key(name)]: tf.zerosLike(parameter) };
    return Object.fromEntries(
      Object.entries(this.specs(name, parameter.shape)).map(([key, { shape, dtype }]) => [
        key,
        tf.zeros([...shape], dtype),
      ]),
    );
  }

  /** The moment as float32; undefined if the state has none. */
  read(state: OptimizerState, name: string, shape: readonly number[]): tf.Tensor | undefined {
    const [stored, scales] = [state[this.key(name)], state[this.scaleKey(name)]] as (tf.Tensor | undefined)[];
    const dtype = this.dtypeOf(shape);
    if (!stored || dtype === 'float32') return stored;
    if (dtype === 'bfloat16') return unpackBfloat16(stored);
    return scales && decoded(stored, scales, this.book);
  }

  /** Stores the next moment, float32, in `next`; rounded stochastically if the update has a key. */
  write(next: OptimizerState, name: string, value: tf.Tensor, { randomKey }: Pick<OptimizerUpdate, 'randomKey'>): void {
    const dtype = this.dtypeOf(value.shape);
    if (dtype === 'float32') {
      next[this.key(name)] = value;
      return;
    }
    const key = randomKey && namedKey(randomKey, this.key(name));
    if (dtype === 'bfloat16') next[this.key(name)] = packBfloat16(key ? stochasticBfloat16(value, key) : value);
    else {
      const { codes, scales } = encoded(value, this.book, key);
      next[this.key(name)] = codes;
      next[this.scaleKey(name)] = scales;
    }
  }

  /** Leaves what is stored as it is. */
  keep(next: OptimizerState, name: string, state: OptimizerState): void {
    for (const key of [this.key(name), this.scaleKey(name)]) if (state[key]) next[key] = state[key];
  }

  private dtypeOf(shape: readonly number[]): MomentsDtype {
    const width = shape[shape.length - 1];
    const size = shape.reduce((product, one) => product * one, 1);
    if (this.dtype === 'bfloat16') return shape.length > 1 && width % 2 === 0 ? 'bfloat16' : 'float32';
    return this.dtype === 'int8' && shape.length > 1 && width % 4 === 0 && size >= LEAST_SIZE ? 'int8' : 'float32';
  }

  private key(name: string): string {
    return `${this.prefix}/${name}`;
  }

  private scaleKey(name: string): string {
    return `${this.prefix}.scale/${name}`;
  }
}
