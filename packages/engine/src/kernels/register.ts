import '../../vendor/node-kernels';
import { withKernelName } from '../trace/binding';
import type { GraftBackend } from '../trace/backend';
import { TF } from './dtypes';
import { currentPrecision } from '../precision';
import { tf } from '../tf';
import { nativeBarrier } from './barrier';
import { dtypeAttribute, flag } from './attributes';
import { kernelError } from './kernel-errors';
import { nativeHashedWords } from './hashed';
import { nativePackKernels } from './packed';
import { nativeRandomKernels } from './random';

export const NATIVE_BACKEND = 'tensorflow';

interface MatMulInputs {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
}

/**
 * Matrix multiplication under the precision policy: bfloat16 operands are casts around the operation, so master weights
 * and everything else stay float32. Rank 2 uses MatMul, which TensorFlow's graph executor runs faster than the batched
 * one.
 */
function matMul(
  backend: GraftBackend,
  { a, b }: MatMulInputs,
  transposeA: boolean,
  transposeB: boolean,
): tf.TensorInfo {
  const flat = a.shape.length === 2 && b.shape.length === 2;
  const op = flat ? 'MatMul' : 'BatchMatMulV2';
  const transposes = [
    flag(flat ? 'transpose_a' : 'adj_x', transposeA),
    flag(flat ? 'transpose_b' : 'adj_y', transposeB),
  ];
  const binding = backend.binding;
  if (currentPrecision() === 'float32' || a.dtype !== 'float32' || b.dtype !== 'float32') {
    const type = a.dtype === 'int32' ? TF.INT32 : a.dtype === 'complex64' ? TF.COMPLEX64 : TF.FLOAT;
    return backend.run(op, [dtypeAttribute('T', type), ...transposes], [a, b])[0];
  }
  const cast = (id: number, from: number, to: number): number =>
    binding.executeOp(
      'Cast',
      [dtypeAttribute('SrcT', from), dtypeAttribute('DstT', to), flag('Truncate', false)],
      [id],
      1,
    )[0].id;
  const [aId, bId] = backend.ids([a, b]);
  const [a16, b16] = [aId, bId].map((id) => cast(id, TF.FLOAT, TF.BFLOAT16));
  const product = binding.executeOp(op, [dtypeAttribute('T', TF.BFLOAT16), ...transposes], [a16, b16], 1)[0].id;
  const [result] = binding.executeOp(
    'Cast',
    [dtypeAttribute('SrcT', TF.BFLOAT16), dtypeAttribute('DstT', TF.FLOAT), flag('Truncate', false)],
    [product],
    1,
  );
  for (const id of [a16, b16, product]) binding.deleteTensor(id);
  return backend.wrap(result);
}

const overrides: tf.KernelConfig[] = [
  {
    kernelName: tf.BatchMatMul,
    backendName: NATIVE_BACKEND,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs;
      return matMul(backend as GraftBackend, inputs as unknown as MatMulInputs, transposeA, transposeB);
    },
  },
  {
    // tfjs-node's own kernel reads the indices on the host to check their range, which is impossible in a trace.
    kernelName: tf.GatherV2,
    backendName: NATIVE_BACKEND,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { x, indices } = inputs as unknown as { x: tf.TensorInfo; indices: tf.TensorInfo };
      const { axis, batchDims } = attrs as unknown as tf.GatherV2Attrs;
      const native = backend as GraftBackend;
      const axisTensor = tf.scalar(axis, 'int32');
      const [result] = native.run(
        'GatherV2',
        [
          { name: 'batch_dims', type: 1, value: batchDims },
          dtypeAttribute('Tparams', native.getDTypeInteger(x.dtype)),
          dtypeAttribute('Tindices', TF.INT32),
          dtypeAttribute('Taxis', TF.INT32),
        ],
        [x, indices, axisTensor],
      );
      axisTensor.dispose();
      return result;
    },
  },
];

let registered = false;

/** Registers tfjs-node's kernels, some replaced by ours; each knows its name for error messages. */
export function registerNativeKernels(): void {
  if (registered) return;
  registered = true;
  const own = [...nativeRandomKernels, nativeHashedWords, ...nativePackKernels, nativeBarrier(NATIVE_BACKEND)];
  for (const kernel of [...overrides, ...own]) {
    if (tf.getKernel(kernel.kernelName, NATIVE_BACKEND)) tf.unregisterKernel(kernel.kernelName, NATIVE_BACKEND);
    tf.registerKernel(kernel);
  }
  for (const kernel of tf.getKernelsForBackend(NATIVE_BACKEND)) {
    tf.unregisterKernel(kernel.kernelName, NATIVE_BACKEND);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (parameters) => {
        try {
          return withKernelName(kernel.kernelName, () => kernel.kernelFunc(parameters));
        } catch (error) {
          throw kernelError(kernel.kernelName, parameters.inputs, error);
        }
      },
    });
  }
}

/** Registers the same kernels for another backend of Graft's, whose binding runs the operations elsewhere. */
export function copyNativeKernels(backendName: string): void {
  registerNativeKernels();
  for (const kernel of tf.getKernelsForBackend(NATIVE_BACKEND))
    if (!tf.getKernel(kernel.kernelName, backendName)) tf.registerKernel({ ...kernel, backendName });
}
