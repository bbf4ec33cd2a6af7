import { tf } from '../../tf';
import { portableBarrier } from '../../kernels/barrier';
import { checked } from '../../kernels/portable-checks';
import { portableHashedWords } from '../../kernels/hashed';
import { portablePackKernels } from '../../kernels/packed';
import { portableRandomKernels } from '../../kernels/random';
import { reducedAxes } from '../../kernels/reduced-axes';
import { elementCount } from '../../shape';

/** Runs a kernel of tfjs's JavaScript backend for the wasm backend: values are copied between them, so it is slower. */
function delegatedToCpu(kernel: tf.KernelConfig, cpu: tf.KernelBackend): tf.KernelConfig {
  return {
    kernelName: kernel.kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const wasm = backend as tf.KernelBackend;
      const inputCopies: tf.TensorInfo[] = [];
      const copyToCpu = (info: tf.TensorInfo): tf.TensorInfo => {
        const dataId = cpu.write(wasm.readSync(info.dataId), info.shape, info.dtype);
        const copy = { dataId, shape: info.shape, dtype: info.dtype };
        inputCopies.push(copy);
        return copy;
      };
      const cpuInputs = Object.fromEntries(
        Object.entries(inputs).map(([name, info]) => [
          name,
          Array.isArray(info) ? info.map(copyToCpu) : info == null ? info : copyToCpu(info),
        ]),
      ) as tf.NamedTensorInfoMap;
      const result = kernel.kernelFunc({ inputs: cpuInputs, attrs, backend: cpu });
      const moveToWasm = (info: tf.TensorInfo): tf.TensorInfo => {
        const values = cpu.readSync(info.dataId).slice() as tf.backend_util.BackendValues;
        if (!inputCopies.some(({ dataId }) => dataId === info.dataId)) cpu.disposeData(info.dataId, true);
        return { dataId: wasm.write(values, info.shape, info.dtype), shape: info.shape, dtype: info.dtype };
      };
      const outputs = Array.isArray(result) ? result.map(moveToWasm) : moveToWasm(result);
      for (const { dataId } of inputCopies) cpu.disposeData(dataId, true);
      return outputs;
    },
  };
}

/**
 * tfjs's JavaScript kernel scans the whole batch once per segment, for the gradient of an embedding once per row of the
 * vocabulary; this one scans it once. Ids outside the range are ignored, as on the other engines.
 */
const segmentSum: tf.KernelConfig = {
  kernelName: tf.UnsortedSegmentSum,
  backendName: 'cpu',
  kernelFunc: ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
    const { numSegments } = attrs as unknown as tf.UnsortedSegmentSumAttrs;
    const store = backend as tf.KernelBackend;
    const values = store.readSync(x.dataId) as Float32Array | Int32Array;
    const ids = store.readSync(segmentIds.dataId) as Int32Array;
    const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
    const width = elementCount(shape.slice(1));
    const sums = x.dtype === 'int32' ? new Int32Array(numSegments * width) : new Float32Array(numSegments * width);
    ids.forEach((segment, row) => {
      if (segment < 0 || segment >= numSegments) return;
      for (let column = 0; column < width; column++) sums[segment * width + column] += values[row * width + column];
    });
    return { dataId: store.write(sums, shape, x.dtype), shape, dtype: x.dtype };
  },
};

/** Results of reductions of empty tensors, for which wasm's kernels leave the memory uninitialized. */
const EMPTY_REDUCTIONS = { [tf.Sum]: 0, [tf.Mean]: NaN, [tf.Prod]: 1, [tf.Max]: -Infinity, [tf.Min]: Infinity };

function withEmptyReductions(kernel: tf.KernelConfig): tf.KernelConfig {
  const value = EMPTY_REDUCTIONS[kernel.kernelName as keyof typeof EMPTY_REDUCTIONS];
  const kernelFunc: tf.KernelFunc = (call) => {
    const x = call.inputs.x!;
    if (elementCount(x.shape) > 0) return kernel.kernelFunc(call);
    const { keepDims } = call.attrs as { keepDims: boolean };
    const axes = reducedAxes(call.attrs, x.shape);
    const shape = x.shape.flatMap((size, i) => (!axes.includes(i) ? [size] : keepDims ? [1] : []));
    const values = tf.util.getTypedArrayFromDType(x.dtype as 'float32', elementCount(shape)).fill(value);
    return { dataId: (call.backend as tf.KernelBackend).write(values, shape, x.dtype), shape, dtype: x.dtype };
  };
  return { ...kernel, kernelFunc };
}

/**
 * wasm sums in one float32 number, which stops growing after 2^24 numbers of equal size. Over several axes this sums in
 * two stages: the last axis, then the rest.
 */
function inTwoStages(kernel: tf.KernelConfig): tf.KernelConfig {
  const kernelFunc: tf.KernelFunc = (call) => {
    const { inputs, attrs, backend } = call;
    const x = inputs.x!;
    const axes = reducedAxes(attrs, x.shape);
    if (axes.length < 2) return kernel.kernelFunc(call);
    const first = kernel.kernelFunc({ ...call, attrs: { axis: [Math.max(...axes)], keepDims: true } }) as tf.TensorInfo;
    const result = kernel.kernelFunc({ ...call, inputs: { x: first }, attrs: { ...attrs, axis: axes } });
    (backend as tf.KernelBackend).disposeData(first.dataId);
    return result;
  };
  return { ...kernel, kernelFunc };
}

let prepared: Promise<string> | undefined;

/**
 * Prepares tfjs's own backends: wasm if it starts, otherwise plain JavaScript. Kernels that wasm lacks (such as segment
 * sums, for the gradient of `gather`) are delegated to the JavaScript backend.
 */
export function preparePortableBackend(): Promise<string> {
  prepared ??= prepare();
  return prepared;
}

/** After everything else, so that each kernel checks its inputs. */
function checkAll(backendName: string): void {
  for (const kernel of tf.getKernelsForBackend(backendName)) {
    tf.unregisterKernel(kernel.kernelName, backendName);
    tf.registerKernel(checked(kernel));
  }
}

async function prepare(): Promise<string> {
  // At the first use of this backend, tfjs prints advice to install tfjs-node; the engine's own message is better.
  (tf.findBackend('cpu') as tf.KernelBackend & { firstUse: boolean }).firstUse = false;
  tf.unregisterKernel(segmentSum.kernelName, 'cpu');
  for (const kernel of [
    segmentSum,
    portableBarrier('cpu'),
    portableHashedWords('cpu'),
    ...portablePackKernels('cpu'),
    ...portableRandomKernels('cpu'),
  ])
    tf.registerKernel(kernel);
  const wasm = await import('../../../vendor/backend-wasm.js').catch(() => undefined);
  if (!wasm || !(await tf.setBackend('wasm').catch(() => false))) {
    await tf.setBackend('cpu');
    checkAll('cpu');
    return 'cpu';
  }
  const cpu = tf.findBackend('cpu');
  tf.registerKernel(portableBarrier('wasm'));
  for (const kernel of [portableHashedWords('wasm'), ...portablePackKernels('wasm')]) tf.registerKernel(kernel);
  for (const name of Object.keys(EMPTY_REDUCTIONS)) {
    const kernel = tf.getKernel(name, 'wasm');
    tf.unregisterKernel(name, 'wasm');
    tf.registerKernel(withEmptyReductions(name === tf.Sum || name === tf.Mean ? inTwoStages(kernel) : kernel));
  }
  for (const kernel of tf.getKernelsForBackend('cpu')) {
    if (!tf.getKernel(kernel.kernelName, 'wasm')) tf.registerKernel(delegatedToCpu(kernel, cpu));
  }
  checkAll('wasm');
  return 'wasm';
}
