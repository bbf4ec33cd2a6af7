import { registerNativeKernels, NATIVE_BACKEND } from '../kernels/register';
import type { NativeBackend } from '../targets/tensorflow/tensorflow-target';
import type { NativeLibrary } from '../setup';
import type { Tracer } from '../trace/tracer';
import { EngineError } from '@graft/errors';
import { tf } from '../tf';
import { GraftBackend } from '../trace/backend';
import { KernelBinding } from '../trace/binding';
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

/**
 * An assignment in a trace would make the variable refer to a value that no longer exists; tfjs's class has no other
 * hook.
 */
function refuseAssignments(binding: { readonly activeTracer: Tracer | undefined }): void {
  const prototype = tf.Variable.prototype as { assign: (this: tf.Variable, value: tf.Tensor) => void };
  const { assign } = prototype;
  prototype.assign = function (value): void {
    const tracer = binding.activeTracer;
    if (!tracer) return assign.call(this, value);
    throw new EngineError(
      `The variable "${this.name}" is assigned inside jit "${tracer.name}", which must have no effects.`,
      {
        code: 'engine.assignment-in-trace',
        hint: 'Return the new value and assign it outside; an optimizer of @graft/optimizers does so with all parameters.',
      },
    );
  };
}
