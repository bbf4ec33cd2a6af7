import { EngineError } from '@graft/errors';
import { tf } from '../tf';
import type { Tracer } from './tracer';

/**
 * An assignment in a trace would make the variable refer to a value that no longer exists; tfjs's class has no other
 * hook.
 */
export function refuseAssignments(binding: { readonly activeTracer: Tracer | undefined }): void {
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
