import { registerNativeKernels, NATIVE_BACKEND } from '../../../kernels/register';
import type { NativeBackend } from '../tensorflow-target';
import type { NativeLibrary } from '../../../setup';
import { tf } from '../../../tf';
import { refuseAssignments } from '../../../trace/assignments';
import { GraftBackend } from '../../../trace/backend';
import { KernelBinding } from '../../../trace/binding';
import { NativeRuntime, type NativeTensor } from './runtime';

/** Loads the library and registers the tfjs backend `tensorflow` on it. Once per process. */
export function loadNativeBackend(library: NativeLibrary, threads: number): NativeBackend {
  const binding = new KernelBinding<NativeTensor, NativeRuntime>(NativeRuntime.load(library, threads));
  const backend = new GraftBackend(binding);
  registerNativeKernels();
  refuseAssignments(binding);
  tf.registerBackend(NATIVE_BACKEND, () => backend);
  return { binding, backend };
}
