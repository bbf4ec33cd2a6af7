import type { RuntimeTensor } from '../../target/runtime';
import type { TensorBuffer } from './buffer';

/** A tensor on a device. */
export interface PjrtTensor extends RuntimeTensor {
  /** Another one after a call that replaced the tensor, and once it is placed on a mesh. */
  buffer: TensorBuffer;
  /** The values, if they came from the host and are few. */
  host?: Uint8Array;
  /** Calls that will still read it: it may be deleted meanwhile. */
  holds: number;
  deleted: boolean;
}
