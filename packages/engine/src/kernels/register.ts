import '../../vendor/node-kernels';
import { withKernelName, type KoffiBinding } from '../native/binding';
import type { GraftBackend } from '../native/backend';
import { TF } from '../native/dtypes';
import { currentPrecision } from '../precision';
import { tf } from '../tf';
import type { Tracer } from '../trace/tracer';
import { nativeBarrier } from './barrier';
import { dtypeAttribute, FLOAT, flag, OperationChain } from './chain';
import { fewQueries } from './few-queries';
import { kernelError } from './kernel-errors';
import { nativeHashedWords } from './hashed';
import { addLargeProduct } from './large-sums';
import { nativeRandomKernels } from './random';
import { reducedAxes } from './reduced-axes';
import { reducedProduct, type Reduction } from './reduced-products';

export const NATIVE_BACKEND = 'tensorflow';

interface MatMulInputs {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
}

/** Maximum number of rows, and minimum number of weights, for which `fewRows` pays (npm run bench: generation). */
const FEW_ROWS = 32;
const MANY_WEIGHTS = 1 << 16;

/** Number of parts in which XLA should multiply [rows, in] by [out, in] transposed; undefined: its own choice. */
function fewRowsParts(
  binding: KoffiBinding,
  { a, b }: MatMulInputs,
  transposeA: boolean,
  transposeB: boolean,
): number | undefined {
  const tracer = binding.activeTracer;
  if (!tracer?.forXla || transposeA || !transposeB || a.dtype !== 'float32' || b.dtype !== 'float32') return undefined;
  const [rows, [out, width]] = [a.shape[0], b.shape];
  if (rows > FEW_ROWS || out * width < MANY_WEIGHTS) return undefined;
  // XLA distributes a product of several rows over threads once it is in a batch, but not a product of one row.
  if (rows > 1) return 1;
  for (let parts = Math.min(tracer.runtime.threads, 16); parts > 1; parts--) if (out % parts === 0) return parts;
  return undefined;
}

/**
 * A few rows times a large stored matrix, as in decoding. XLA's CPU code runs a plain product of that kind on one
 * thread, or copies the whole matrix for it. It runs a batch of transposed products of the matrix's parts in parallel:
 * 1.4 times as fast for one row, 1.7 times for eight, on two cores.
 */
function fewRows(binding: KoffiBinding, { a, b }: MatMulInputs, ids: readonly number[], parts: number): number {
  const [rows, [out, width]] = [a.shape[0], b.shape];
  const chain = new OperationChain(binding);
  const repeated = chain.run(
    'Tile',
    [FLOAT, dtypeAttribute('Tmultiples', TF.INT32)],
    [chain.reshape(ids[0], 1, rows, width), chain.ints(parts, 1, 1)],
  ); // [parts, rows, in]
  const product = chain.run(
    'BatchMatMulV2',
    [FLOAT, flag('adj_x', false), flag('adj_y', true)],
    [chain.reshape(ids[1], parts, out / parts, width), repeated],
  ); // [parts, out / parts, rows]
  return chain.end(chain.reshape(chain.transpose(product, 2, 0, 1), rows, out));
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
    const parts = flat ? fewRowsParts(binding, { a, b }, transposeA, transposeB) : undefined;
    if (parts) {
      const id = fewRows(binding, { a, b }, backend.ids([a, b]), parts);
      return backend.wrap({ id, dtype: TF.FLOAT, shape: [a.shape[0], b.shape[0]] });
    }
    const plainly = !flat && !transposeA && !transposeB && a.dtype === 'float32' && b.dtype === 'float32';
    if (plainly && binding.activeTracer?.forXla) {
      const id = fewQueries(binding, a, b, backend.ids([a, b]) as [number, number]);
      if (id !== undefined)
        return backend.wrap({ id, dtype: TF.FLOAT, shape: [...a.shape.slice(0, -1), b.shape.at(-1)!] });
    }
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
  const narrow = (id: number): number => binding.narrowOrigin(id, 'bfloat16') ?? cast(id, TF.FLOAT, TF.BFLOAT16);
  const a16 = narrow(aId);
  const b16 = narrow(bId);
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

/**
 * Rewrites an operation of a trace for XLA: returns the id of its float32 result, or undefined to keep the operation.
 */
type Rewrite = (call: {
  readonly binding: KoffiBinding;
  readonly tracer: Tracer;
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs?: tf.NamedAttrMap;
  readonly ids: (tensors: tf.TensorInfo[]) => number[];
}) => number | undefined;

/** tfjs-node's kernel, unless the rewriting replaces the operation. */
function rewritten(kernelName: string, rewrite: Rewrite): tf.KernelConfig {
  const kernel = tf.getKernel(kernelName, NATIVE_BACKEND);
  const kernelFunc: tf.KernelFunc = (call) => {
    const backend = call.backend as unknown as GraftBackend;
    const binding = backend.binding;
    const tracer = binding.activeTracer;
    if (!tracer) return kernel.kernelFunc(call);
    const { inputs, attrs } = call;
    const id = rewrite({ binding, tracer, inputs, attrs, ids: (tensors) => backend.ids(tensors) });
    if (id === undefined) return kernel.kernelFunc(call);
    return backend.wrap({ id, dtype: TF.FLOAT, shape: [...binding.value(id, kernelName, tracer).shape] });
  };
  return { ...kernel, kernelFunc };
}

/** One side may be a large product that should not be in memory together with the other. */
const addition: Rewrite = ({ binding, tracer, inputs, ids }) => {
  if (!tracer.forXla) return undefined;
  const [a, b] = ids([inputs.a!, inputs.b!]);
  return addLargeProduct(binding, tracer, a, b);
};

/** XLA reduces products faster in parts. */
const reduction =
  (kind: Reduction): Rewrite =>
  ({ binding, tracer, inputs, attrs, ids }) => {
    if (!tracer.compiledBetweenProducts) return undefined;
    const x = inputs.x!;
    const { keepDims } = attrs as { keepDims: boolean };
    return reducedProduct(binding, tracer, kind, { id: ids([x])[0], axes: reducedAxes(attrs, x.shape), keepDims });
  };

let registered = false;

/** Registers tfjs-node's kernels, some replaced by ours; each knows its name for error messages. */
export function registerNativeKernels(): void {
  if (registered) return;
  registered = true;
  const rewrites = [
    rewritten(tf.Add, addition),
    ...([tf.Sum, tf.Mean, tf.Max] as const).map((kind) => rewritten(kind, reduction(kind))),
  ];
  const own = [...nativeRandomKernels, nativeHashedWords, nativeBarrier(NATIVE_BACKEND)];
  for (const kernel of [...overrides, ...rewrites, ...own]) {
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
