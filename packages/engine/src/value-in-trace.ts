import { EngineError } from '@graft/errors';

/** A tensor of a compiled function was read before the function ran. `by`: what read it, as "print() reads". */
export function valueInTrace(by: string, name: string): EngineError {
  return new EngineError(`${by} the value of a tensor inside jit "${name}", where tensors have no values yet.`, {
    code: 'engine.value-in-trace',
    hint: 'Return the tensor and read it outside, or choose with tf.where instead of an if.',
  });
}
