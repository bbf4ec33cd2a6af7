import type { DataType, KernelBackend } from '@tensorflow/tfjs-core';

/** The backend of tfjs-node-gpu; importing this module registers its kernels under the name `tensorflow`. */
export declare class NodeJSKernelBackend extends KernelBackend {
  /** In place of the C++ addon's `TFJSBinding`. */
  readonly binding: unknown;
  constructor(binding: unknown, packageName: string);
  /** The number of TensorFlow's dtype. */
  getDTypeInteger(dtype: DataType): number;
}
