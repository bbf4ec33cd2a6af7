import { registerNativeKernels, NATIVE_BACKEND } from '../kernels/register';
import type { NativeSide } from '../jit/jit';
import type { NativeLibrary } from '../setup';
import { tf } from '../tf';
import { GraftBackend } from './backend';
import { KoffiBinding } from './binding';
import { NativeRuntime } from './runtime';

/** Loads the library and registers the tfjs backend `tensorflow` on it. Once a process. */
export function makeNativeSide(library: NativeLibrary, threads: number): NativeSide {
  const binding = new KoffiBinding(NativeRuntime.load(library, threads));
  const backend = new GraftBackend(binding);
  registerNativeKernels();
  tf.registerBackend(NATIVE_BACKEND, () => backend);
  return { binding, backend };
}
