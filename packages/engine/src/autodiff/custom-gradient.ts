import { tapeState } from '../tape';
import { tf } from '../tf';

type Save = (tensors: tf.Tensor[]) => void;

/**
 * A function of tensors with a gradient written by hand. `fn` returns the value and, for the backward pass, one gradient
 * an input, made of `dy` and of what it handed to `save`. Tensors that the gradient needs must be saved: whatever else
 * the forward pass made is gone by then.
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
 * Runs `fn` as if no gradient were being taken outside: its result has none, and nothing of it is kept for one. Gradients may
 * be taken in it, which nobody else sees.
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
