/**
 * Narrow numbers that share int32 words, for dtypes that tfjs does not have: two bfloat16 or four 8-bit integers in each
 * word, in the order of memory. A tensor [..., n] becomes int32 [..., n / k].
 */
import { dtypeAttribute, flag, type OpAttribute } from './attributes';
import { TF } from './dtypes';
import type { tf } from '../tf';
import type { GraftBackend } from '../trace/backend';

/** A dtype whose numbers share words. */
export type PackedDType = 'bfloat16' | 'int8' | 'uint8';

/** How many numbers of a dtype are in a word. */
export const NUMBERS_PER_WORD: Readonly<Record<PackedDType, number>> = { bfloat16: 2, int8: 4, uint8: 4 };

/** Input `x` float32 [..., n], attribute `as`: int32 [..., n / k]. Rounds to bfloat16; integers must be in range. */
export const PACK = 'GraftPack';

/** Input `x` int32 [..., n / k], attribute `as`: float32 [..., n]. */
export const UNPACK = 'GraftUnpack';

/**
 * Inputs `x` float32 and `words`, int32 of its shape from 0 to 65,535: `x` rounded to bfloat16, up if the cut-off part and
 * the word together carry. float32.
 */
export const ROUND = 'GraftRoundBfloat16';

interface PackAttributes {
  readonly as: PackedDType;
}

const TYPES = { bfloat16: TF.BFLOAT16, int8: TF.INT8, uint8: TF.UINT8 } as const;

interface Step {
  readonly op: string;
  readonly attributes: OpAttribute[];
  /** A second input: int32. */
  readonly operand?: readonly number[] | number;
}

/** Applies operations one after the other to a tensor and frees the intermediate results. */
function chain(backend: GraftBackend, from: tf.TensorInfo, steps: readonly Step[], other?: tf.TensorInfo): tf.Tensor {
  const { binding } = backend;
  const [first] = backend.ids([from]);
  let last = { id: first, dtype: 0, shape: from.shape };
  steps.forEach(({ op, attributes, operand }, i) => {
    const made =
      operand === undefined
        ? undefined
        : Array.isArray(operand)
          ? binding.createTensor([operand.length], TF.INT32, Int32Array.from(operand as readonly number[]))
          : binding.createTensor([], TF.INT32, Int32Array.of(operand as number));
    const second = op === 'AddV2' ? backend.ids([other!]) : made === undefined ? [] : [made];
    const [next] = binding.executeOp(op, attributes, [last.id, ...second], 1);
    if (i > 0) binding.deleteTensor(last.id);
    if (made !== undefined) binding.deleteTensor(made);
    last = next;
  });
  return backend.wrap(last);
}

const cast = (from: number, to: number): Step => ({
  op: 'Cast',
  attributes: [dtypeAttribute('SrcT', from), dtypeAttribute('DstT', to), flag('Truncate', false)],
});
const bitcast = (from: number, to: number): Step => ({
  op: 'Bitcast',
  attributes: [dtypeAttribute('T', from), dtypeAttribute('type', to)],
});
const reshape = (type: number, operand: readonly number[]): Step => ({
  op: 'Reshape',
  attributes: [dtypeAttribute('T', type), dtypeAttribute('Tshape', TF.INT32)],
  operand,
});

const packedShape = ({ shape }: tf.TensorInfo, as: PackedDType): number[] => [
  ...shape.slice(0, -1),
  shape[shape.length - 1] / NUMBERS_PER_WORD[as],
];
const wideShape = ({ shape }: tf.TensorInfo, as: PackedDType): number[] => [
  ...shape.slice(0, -1),
  shape[shape.length - 1] * NUMBERS_PER_WORD[as],
];

/** The sign, the exponent and the seven bits of the fraction that bfloat16 keeps. */
const UPPER_HALF = 0xffff0000 | 0;

const integers = [dtypeAttribute('T', TF.INT32)];

export const nativePackKernels: tf.KernelConfig[] = [
  {
    kernelName: PACK,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { as } = attrs as unknown as PackAttributes;
      const type = TYPES[as];
      const words = [...packedShape(inputs.x!, as), NUMBERS_PER_WORD[as]];
      return chain(backend as GraftBackend, inputs.x!, [
        cast(TF.FLOAT, type),
        reshape(type, words),
        bitcast(type, TF.INT32),
      ]);
    },
  },
  {
    kernelName: UNPACK,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { as } = attrs as unknown as PackAttributes;
      const type = TYPES[as];
      const steps = [bitcast(TF.INT32, type), reshape(type, wideShape(inputs.x!, as)), cast(type, TF.FLOAT)];
      return chain(backend as GraftBackend, inputs.x!, steps);
    },
  },
  {
    kernelName: ROUND,
    backendName: 'tensorflow',
    kernelFunc: ({ inputs, backend }) => {
      const { x, words } = inputs as { x: tf.TensorInfo; words: tf.TensorInfo };
      const steps = [
        bitcast(TF.FLOAT, TF.INT32),
        { op: 'AddV2', attributes: integers },
        { op: 'BitwiseAnd', attributes: integers, operand: UPPER_HALF },
        bitcast(TF.INT32, TF.FLOAT),
      ];
      return chain(backend as GraftBackend, x, steps, words);
    },
  },
];

/** float32 bits to the nearest bfloat16, ties to even, as the upper half of a word; NaN stays NaN. */
function upperHalf(bits: number): number {
  const isNaN = (bits & 0x7fffffff) > 0x7f800000;
  return isNaN ? (bits >>> 16) | 0x40 : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function packed(values: Float32Array, as: PackedDType): Int32Array {
  const narrow =
    as === 'bfloat16'
      ? Uint16Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length), upperHalf)
      : as === 'int8'
        ? Int8Array.from(values)
        : Uint8Array.from(values);
  return new Int32Array(narrow.buffer);
}

function unpacked({ buffer, byteOffset, byteLength }: Int32Array, as: PackedDType): Float32Array {
  if (as === 'int8') return Float32Array.from(new Int8Array(buffer, byteOffset, byteLength));
  if (as === 'uint8') return Float32Array.from(new Uint8Array(buffer, byteOffset, byteLength));
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** The same numbers computed in JavaScript, for tfjs's own backends. */
export function portablePackKernels(backendName: string): tf.KernelConfig[] {
  const kernel = (
    kernelName: string,
    dtype: 'float32' | 'int32',
    shapeOf: (x: tf.TensorInfo, as: PackedDType) => number[],
    compute: (read: (name: string) => Float32Array | Int32Array, as: PackedDType) => Float32Array | Int32Array,
  ): tf.KernelConfig => ({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { as = 'bfloat16' } = (attrs ?? {}) as unknown as Partial<PackAttributes>;
      const store = backend as tf.KernelBackend;
      const read = (name: string): Float32Array | Int32Array => store.readSync(inputs[name]!.dataId) as Float32Array;
      const shape = shapeOf(inputs.x!, as);
      return { dataId: store.write(compute(read, as), shape, dtype), shape, dtype };
    },
  });
  return [
    kernel(PACK, 'int32', packedShape, (read, as) => packed(read('x') as Float32Array, as)),
    kernel(UNPACK, 'float32', wideShape, (read, as) => unpacked(read('x') as Int32Array, as)),
    kernel(
      ROUND,
      'float32',
      ({ shape }) => [...shape],
      (read) => {
        const { buffer, byteOffset, length } = read('x');
        const bits = new Int32Array(buffer, byteOffset, length);
        const words = read('words');
        return new Float32Array(bits.map((value, i) => (value + words[i]) & UPPER_HALF).buffer);
      },
    ),
  ];
}
