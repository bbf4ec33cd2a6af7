import { TF } from '../../native/dtypes';
import type { NativeBackend } from '../../jit/jit';
import type { Pointer } from '../../native/api';
import { tf } from '../../tf';
import type { TensorSpec } from '../types';
import { elementCount } from '../../shape';

/** Where values lie: an address of native memory, or memory of JavaScript's. */
export type Place = Pointer | Uint8Array;

/** The values of a tensor, until they are given back. */
export interface Lent {
  readonly place: Place;
  release(): void;
}

/** A tensor of which all values are written before it is finished. */
export interface Unfinished {
  readonly place: Place;
  finish(): tf.Tensor;
  abandon(): void;
}

/** How a transport reads and writes the memory of tensors. Values are float32 or int32, 4 bytes each. */
export interface TensorMemory {
  lend(tensor: tf.Tensor): Promise<Lent>;
  begin(spec: TensorSpec): Unfinished;
}

const DTYPES = { float32: TF.FLOAT, int32: TF.INT32 } as const;

/** Tensors of native TensorFlow: nothing is copied. */
export function nativeTensorMemory({ backend, binding }: NativeBackend): TensorMemory {
  const { runtime } = binding;
  return {
    lend: async (tensor) => {
      const lent = await runtime.lend(backend.nativeOf(tensor.dataId, 'sending a tensor'));
      return { place: lent.data, release: () => lent.release() };
    },
    begin: ({ shape, dtype }) => {
      const empty = runtime.emptyTensor(shape, DTYPES[dtype as keyof typeof DTYPES]);
      return {
        place: empty.data,
        finish: () => backend.wrap(binding.adopt(empty.finish())),
        abandon: () => empty.abandon(),
      };
    },
  };
}

/** Tensors of any tfjs backend, by copies. */
export function portableTensorMemory(): TensorMemory {
  return {
    lend: async (tensor) => {
      const { buffer, byteOffset, byteLength } = (await tensor.data()) as Float32Array | Int32Array;
      return { place: new Uint8Array(buffer, byteOffset, byteLength), release: () => undefined };
    },
    begin: ({ shape, dtype }) => {
      const length = elementCount(shape);
      const values = dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
      return {
        place: new Uint8Array(values.buffer),
        finish: () => tf.tensor(values, [...shape], dtype as 'float32' | 'int32'),
        abandon: () => undefined,
      };
    },
  };
}
