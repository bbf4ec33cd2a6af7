import type { GraftBackend } from '../trace/backend';
import { TF } from './dtypes';
import { dtypeAttribute } from './attributes';
import type { tf } from '../tf';
import { philoxBits } from './philox';
import { elementCount } from '../shape';

/** Names of the two kernels behind `random`; every backend registers both. Input `key` int32 [2], attribute `shape`. */
export const RANDOM_KERNELS = {
  /** float32 in [0, 1): the upper 24 bits of each word. */
  uniform: 'GraftRandomUniform',
  /** int32, every bit random. */
  bits: 'GraftRandomBits',
} as const;

interface RandomInputs {
  key: tf.TensorInfo;
}

/** TensorFlow's number for Philox: named, because the default differs between devices and compilers. */
const PHILOX = 1;

/** The sign of keys is dropped, because eager execution sign-extends a negative seed and XLA does not. */
const POSITIVE = 0x7fffffff;

/**
 * Raw Philox words are the same in eager execution and under XLA; the float distributions of the two are not (one takes
 * a word's lower bits, the other its upper). So only words are drawn by TensorFlow.
 */
function nativeDraw(
  backend: GraftBackend,
  key: tf.TensorInfo,
  shape: readonly number[],
  uniform: boolean,
): tf.TensorInfo {
  const binding = backend.binding;
  const temporary: number[] = [];
  const keep = (id: number): number => {
    temporary.push(id);
    return id;
  };
  const positive = keep(binding.createTensor([], TF.INT32, Int32Array.of(POSITIVE)));
  const seed = binding.executeOp('BitwiseAnd', [dtypeAttribute('T', TF.INT32)], [...backend.ids([key]), positive], 1)[0]
    .id;
  const [words, counter] = binding.executeOp(
    'StatelessRandomGetKeyCounter',
    [dtypeAttribute('Tseed', TF.INT32)],
    [keep(seed)],
    2,
  );
  keep(words.id);
  keep(counter.id);
  const shapeId = keep(binding.createTensor([shape.length], TF.INT32, Int32Array.from(shape)));
  const algorithm = keep(binding.createTensor([], TF.INT32, Int32Array.of(PHILOX)));
  const type = uniform ? TF.UINT32 : TF.INT32;
  let [result] = binding.executeOp(
    'StatelessRandomUniformFullIntV2',
    [dtypeAttribute('dtype', type), dtypeAttribute('Tshape', TF.INT32)],
    [shapeId, words.id, counter.id, algorithm],
    1,
  );
  if (uniform) {
    const eight = keep(binding.createTensor([], TF.UINT32, Int32Array.of(8)));
    const upper = binding.executeOp('RightShift', [dtypeAttribute('T', TF.UINT32)], [keep(result.id), eight], 1)[0].id;
    const float = binding.executeOp(
      'Cast',
      [dtypeAttribute('SrcT', TF.UINT32), dtypeAttribute('DstT', TF.FLOAT)],
      [keep(upper)],
      1,
    )[0].id;
    const scale = keep(binding.createTensor([], TF.FLOAT, Float32Array.of(2 ** -24)));
    [result] = binding.executeOp('Mul', [dtypeAttribute('T', TF.FLOAT)], [keep(float), scale], 1);
  }
  for (const id of temporary) binding.deleteTensor(id);
  return backend.wrap(result);
}

export const nativeRandomKernels: tf.KernelConfig[] = Object.values(RANDOM_KERNELS).map((kernelName) => ({
  kernelName,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, backend, attrs }) =>
    nativeDraw(
      backend as GraftBackend,
      (inputs as unknown as RandomInputs).key,
      (attrs as unknown as { shape: number[] }).shape,
      kernelName === RANDOM_KERNELS.uniform,
    ),
}));

/** The same numbers computed in JavaScript, for tfjs's own backends. */
export function portableRandomKernels(backendName: string): tf.KernelConfig[] {
  return Object.values(RANDOM_KERNELS).map((kernelName) => ({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { key } = inputs as unknown as RandomInputs;
      const { shape } = attrs as unknown as { shape: number[] };
      const store = backend as tf.KernelBackend;
      const [low, high] = store.readSync(key.dataId) as Int32Array;
      const bits = philoxBits([low & POSITIVE, high & POSITIVE], elementCount(shape));
      if (kernelName === RANDOM_KERNELS.bits) {
        const values = new Int32Array(bits.buffer);
        return { dataId: store.write(values, shape, 'int32'), shape, dtype: 'int32' };
      }
      const values = Float32Array.from(bits, (word) => (word >>> 8) * 2 ** -24);
      return { dataId: store.write(values, shape, 'float32'), shape, dtype: 'float32' };
    },
  }));
}
