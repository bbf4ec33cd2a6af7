import { dtypeAttribute } from './attributes';
import type { GraftBackend } from '../trace/backend';
import type { tf } from '../tf';

/** Returns its inputs unchanged, none before all of them are computed. Inputs `0`, `1` and so on. */
export const BARRIER = 'GraftBarrier';

/** In order of their names, which are numbers: objects keep such keys sorted. */
const listOf = (inputs: tf.NamedTensorInfoMap): tf.TensorInfo[] => Object.values(inputs) as tf.TensorInfo[];

export function nativeBarrier(backendName: string): tf.KernelConfig {
  return {
    kernelName: BARRIER,
    backendName,
    kernelFunc: ({ inputs, backend }) => {
      const native = backend as GraftBackend;
      const tensors = listOf(inputs);
      const types = tensors.map(({ dtype }) => native.getDTypeInteger(dtype));
      return native.run('IdentityN', [dtypeAttribute('T', types)], tensors, tensors.length);
    },
  };
}

/** Nothing to do if operations run in the order in which they are called. */
export function portableBarrier(backendName: string): tf.KernelConfig {
  return {
    kernelName: BARRIER,
    backendName,
    kernelFunc: ({ inputs, backend }) =>
      listOf(inputs).map((tensor) => {
        (backend as tf.KernelBackend & { incRef(id: object): void }).incRef(tensor.dataId);
        return { dataId: tensor.dataId, shape: tensor.shape, dtype: tensor.dtype };
      }),
  };
}
