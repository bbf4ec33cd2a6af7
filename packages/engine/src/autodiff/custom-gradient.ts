import { tapeState } from '../tape';
import { tf } from '../tf';

type Save = (tensors: tf.Tensor[]) => void;

/**
 * A function of tensors with a hand-written gradient. `fn` returns the value and, for the backward pass, one gradient
 * per input, computed from `dy` and from the tensors given to `save`. Tensors that the gradient needs must be saved:
 * all others of the forward pass are disposed by then.
 */
export function withGradient<A extends readonly tf.Tensor[]>(
  fn: (save: Save, ...inputs: A) => { value: tf.Tensor; gradients: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[] },
): (...inputs: A) => tf.Tensor {
  // tfjs types `save` as one of the variadic tensors.
  const wrapped = tf.customGrad((...all) => {
    const save = all.pop() as unknown as Save;
    const { value, gradients } = fn(save, ...(all as unknown as A));
    return { value, gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradients(dy, saved) };
  });
  return (...inputs) => wrapped(...(inputs as unknown as tf.Tensor[]));
}

/**
 * Runs `fn` as if no gradient were being taken outside: its result has no gradient, and nothing in it is recorded for
 * one. Gradients may be taken inside; they are invisible outside.
 */
export function withoutGradient<T>(fn: () => T): T {
  const state = tapeState();
  const { activeTape, gradientDepth, kernelDepth } = state;
  Object.assign(state, { activeTape: null, gradientDepth: 0, kernelDepth: 0 });
  try {
    return fn();
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}
