import { TF } from '../../kernels/dtypes';
import type { NativeBackend } from '../../targets/tensorflow/tensorflow-target';
import type { Pointer } from '../../foreign/memory';
import { tf } from '../../tf';
import type { TensorSpec } from '../types';
import { elementCount } from '../../shape';

/** The location of values: an address of native memory, or memory of JavaScript. */
export type MemoryRegion = Pointer | Uint8Array;

/** A view of a tensor's values, until `release`. */
export interface TensorView {
  readonly region: MemoryRegion;
  release(): void;
}

/** A tensor whose values must all be written before `finish`. */
export interface Unfinished {
  readonly region: MemoryRegion;
  finish(): tf.Tensor;
  abandon(): void;
}

/** How a transport reads and writes the memory of tensors. Values are float32 or int32, 4 bytes each. */
export interface TensorMemory {
  view(tensor: tf.Tensor): Promise<TensorView>;
  begin(spec: TensorSpec): Unfinished;
}

const DTYPES = { float32: TF.FLOAT, int32: TF.INT32 } as const;

/** Tensors of native TensorFlow, without copying. */
export function nativeTensorMemory({ backend, binding }: NativeBackend): TensorMemory {
  const { runtime } = binding;
  return {
    view: async (tensor) => {
      const nativeView = await runtime.viewTensor(backend.nativeOf(tensor.dataId, 'sending a tensor'));
      return { region: nativeView.data, release: () => nativeView.release() };
    },
    begin: ({ shape, dtype }) => {
      const empty = runtime.emptyTensor(shape, DTYPES[dtype as keyof typeof DTYPES]);
      return {
        region: empty.data,
        finish: () => backend.wrap(binding.adopt(empty.finish())),
        abandon: () => empty.abandon(),
      };
    },
  };
}

/** Tensors of any tfjs backend, with copies. */
export function portableTensorMemory(): TensorMemory {
  return {
    view: async (tensor) => {
      const { buffer, byteOffset, byteLength } = (await tensor.data()) as Float32Array | Int32Array;
      return { region: new Uint8Array(buffer, byteOffset, byteLength), release: () => undefined };
    },
    begin: ({ shape, dtype }) => {
      const length = elementCount(shape);
      const values = dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
      return {
        region: new Uint8Array(values.buffer),
        finish: () => tf.tensor(values, [...shape], dtype as 'float32' | 'int32'),
        abandon: () => undefined,
      };
    },
  };
}
