import { EngineError } from '@graft/errors';
import { NUMBERS_PER_WORD, PACK, ROUND, UNPACK, type PackedDType } from './kernels/packed';
import { wordsByRow, type RandomKey } from './random';
import { tf } from './tf';

/**
 * bfloat16 and 8-bit integers in memory. tfjs has no such dtypes, so two or four numbers share one int32: a tensor
 * [..., n] of bfloat16 is stored as int32 [..., n / 2], half the bytes of float32. Under the precision `bfloat16` a matrix
 * product reads an unpacked operand directly as the packed bfloat16 numbers; no float32 copy is made.
 */

const packer: Readonly<Record<PackedDType, readonly [pack: string, unpack: string]>> = {
  bfloat16: ['packBfloat16', 'unpackBfloat16'],
  int8: ['packIntegers', 'unpackIntegers'],
  uint8: ['packIntegers', 'unpackIntegers'],
};

const described = ({ dtype, shape }: tf.Tensor): string => `${dtype} [${shape.join(', ')}]`;

function pack(values: tf.Tensor, as: PackedDType): tf.Tensor {
  const width = values.shape[values.rank - 1] ?? 1;
  const count = NUMBERS_PER_WORD[as];
  if (values.dtype !== 'float32' || width % count !== 0) {
    const fits = count === 2 ? 'an even last dimension' : `a last dimension that is a multiple of ${count}`;
    throw new EngineError(`${packer[as][0]} takes float32 with ${fits}, but got ${described(values)}.`, {
      code: 'engine.bfloat16',
    });
  }
  return tf.engine().runKernel<tf.Tensor>(PACK, { x: values }, { as });
}

function unpack(packed: tf.Tensor, as: PackedDType): tf.Tensor {
  if (packed.dtype !== 'int32' || packed.rank === 0) {
    const [given, name] = packer[as];
    throw new EngineError(
      `${name} takes what ${given} gives, int32 [..., n / ${NUMBERS_PER_WORD[as]}], but got ${described(packed)}.`,
      { code: 'engine.bfloat16' },
    );
  }
  return tf.engine().runKernel<tf.Tensor>(UNPACK, { x: packed }, { as });
}

/** float32 [..., n], n even, rounded to bfloat16 and packed: int32 [..., n / 2]. The caller disposes both. */
export function packBfloat16(values: tf.Tensor): tf.Tensor {
  return pack(values, 'bfloat16');
}

/** The float32 numbers [..., n] of a packed tensor, int32 [..., n / 2]. */
export function unpackBfloat16(packed: tf.Tensor): tf.Tensor {
  return unpack(packed, 'bfloat16');
}

/**
 * Whole numbers as float32 [..., n], n a multiple of 4, in one byte each: int32 [..., n / 4]. They must lie in the range of
 * the dtype: from -128 to 127, or from 0 to 255.
 */
export function packIntegers(values: tf.Tensor, as: 'int8' | 'uint8'): tf.Tensor {
  return pack(values, as);
}

/** The numbers of `packIntegers`, float32 [..., n]. */
export function unpackIntegers(packed: tf.Tensor, as: 'int8' | 'uint8'): tf.Tensor {
  return unpack(packed, as);
}

/**
 * float32 numbers rounded to one of the two bfloat16 numbers next to them, to the nearer one with the higher probability:
 * their mean over many keys is the number itself, so that changes smaller than half a unit are not lost. The result is
 * float32, which `packBfloat16` stores exactly. Infinities and NaN stay. The same key gives the same numbers on every engine.
 */
export function stochasticBfloat16(values: tf.Tensor, key: RandomKey): tf.Tensor {
  return tf.tidy(() => {
    const words = wordsByRow(key, values.shape, 16);
    const rounded = tf.engine().runKernel<tf.Tensor>(ROUND, { x: values, words });
    // A carry could turn the bits of a NaN into those of a zero.
    return tf.where(tf.isNaN(values), values, rounded);
  });
}
