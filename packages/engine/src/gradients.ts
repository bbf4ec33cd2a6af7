import { treeMap } from './jit/tree';
import { tf } from './tf';
import type { Tree } from './types';

/**
 * Value and gradients of a scalar function of named tensors, with whatever else the function wants to hand out
 * (`auxiliary`: logits, metrics). A parameter that the loss does not depend on gets zeros.
 *
 * tfjs's own `valueAndGrads` ends the function's scope before anything but the loss can leave it, and refuses unused
 * parameters.
 */
export function valueAndGradients<X extends Tree>(
  fn: (parameters: Record<string, tf.Tensor>) => { loss: tf.Scalar; auxiliary: X },
  parameters: Readonly<Record<string, tf.Tensor>>,
): { loss: tf.Scalar; gradients: Record<string, tf.Tensor>; auxiliary: X } {
  const names = Object.keys(parameters);
  const inputs = names.map((name) => parameters[name]);
  let kept: X | undefined;
  const { value, grads } = tf.engine().gradients(
    () => {
      const { loss, auxiliary } = fn(parameters);
      kept = treeMap(auxiliary, (leaf) => tf.keep(leaf.clone()));
      return loss;
    },
    inputs,
    undefined,
    true,
  );
  const gradients: Record<string, tf.Tensor> = {};
  names.forEach((name, i) => (gradients[name] = grads[i] ?? tf.zerosLike(inputs[i])));
  // From kept tensors, which nobody ends, to tensors of the caller's scope.
  const auxiliary = treeMap(kept as X, (leaf) => {
    const own = leaf.clone();
    leaf.dispose();
    return own;
  });
  return { loss: value, gradients, auxiliary };
}

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
