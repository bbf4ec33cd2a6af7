import { EngineError, messageOf } from '@graft/errors';
import type { tf } from '../tf';

/**
 * An exception of a kernel as an EngineError: tfjs's kernels throw plain errors, or fail on a disposed tensor. The code
 * is that of TensorFlow's own errors, on every engine.
 */
export function kernelError(kernelName: string, inputs: tf.NamedTensorInfoMap, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  const given = Object.values(inputs).flat() as readonly (Partial<tf.Tensor> | undefined)[];
  if (given.some((input) => input?.isDisposed))
    return new EngineError(`${kernelName}: A tensor was used after it was disposed.`, {
      code: 'engine.disposed',
      cause,
    });
  const message = messageOf(cause);
  const named = message.startsWith(`${kernelName}:`) ? message : `${kernelName}: ${message}`;
  return new EngineError(named, { code: 'engine.tensorflow', cause });
}

export function unsupportedAttribute(operation: string, name: string, type: number): EngineError {
  return new EngineError(`${operation}: attribute "${name}" is of a kind (${type}) that the binding does not know.`, {
    code: 'engine.attribute',
  });
}
