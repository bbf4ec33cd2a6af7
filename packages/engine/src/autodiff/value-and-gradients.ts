import { EngineError } from '@graft/errors';
import { treeMap } from '../jit/tree';
import { tapeState } from '../tape';
import { tf } from '../tf';
import type { Tree } from '../types';
import { withoutGradient } from './custom-gradient';

/**
 * Value and gradients of a scalar function of named tensors, with anything else the function returns (`auxiliary`:
 * logits, metrics). A parameter that the loss does not depend on gets zeros, and is listed in `unreached`.
 *
 * tfjs's own `valueAndGrads` closes the function's scope before anything but the loss can leave it, and rejects unused
 * parameters.
 */
export function valueAndGradients<X extends Tree>(
  fn: (parameters: Record<string, tf.Tensor>) => { loss: tf.Scalar; auxiliary: X },
  parameters: Readonly<Record<string, tf.Tensor>>,
): { loss: tf.Scalar; gradients: Record<string, tf.Tensor>; auxiliary: X; unreached: readonly string[] } {
  const names = Object.keys(parameters);
  const inputs = names.map((name) => parameters[name]);
  let kept: X | undefined;
  const forward = (): tf.Scalar => {
    const { loss, auxiliary } = fn(parameters);
    if (!((loss as unknown) instanceof tf.Tensor)) {
      throw new EngineError(
        `valueAndGradients got a loss that is not a tensor but ${typeof loss}; it takes a float32 scalar.`,
        {
          code: 'engine.loss',
        },
      );
    }
    kept = treeMap(auxiliary, (leaf) => tf.keep(leaf.clone()));
    return loss;
  };
  // tfjs rejects gradients with respect to no variable.
  const { value, grads } =
    names.length === 0
      ? { value: tf.tidy(forward), grads: [] }
      : orAbandonTape(() => tf.engine().gradients(forward, inputs, undefined, true));
  const gradients: Record<string, tf.Tensor> = {};
  names.forEach((name, i) => (gradients[name] = grads[i] ?? tf.zerosLike(inputs[i])));
  // Turns kept tensors, which no scope disposes, into tensors of the caller's scope.
  const auxiliary = treeMap(kept as X, (leaf) => {
    const own = leaf.clone();
    leaf.dispose();
    return own;
  });
  // Unreached means without any gradient: a gradient that happens to be zero counts as one.
  const unreached = names.filter((_, i) => !grads[i]);
  return { loss: value, gradients, auxiliary, unreached };
}

/**
 * An exception in a gradient leaves tfjs's tape behind, with the tensors that it saved; nothing else would free them.
 */
function orAbandonTape<T>(fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    const state = tapeState();
    if (state.gradientDepth === 0) {
      for (const { saved } of state.activeTape ?? []) tf.dispose(saved);
      state.activeTape = null;
    }
    const [, operation] = /gradient function not found for (\w+)/.exec((error as Error).message) ?? [];
    if (operation === undefined) throw error;
    throw new EngineError(`${operation} has no gradient, and the loss depends on parameters through it.`, {
      code: 'engine.no-gradient',
      hint: 'Keep it off the way from the parameters to the loss, or give it a gradient with withGradient.',
      cause: error,
    });
  }
}

/**
 * As `valueAndGradients`, for use inside a function with a gradient of its own (`withGradient`): a gradient that is known
 * with the value, and only multiplied later.
 */
export function innerGradients<X extends Tree>(
  fn: (...inputs: tf.Tensor[]) => { loss: tf.Scalar; auxiliary: X },
  inputs: readonly tf.Tensor[],
): { value: tf.Scalar; gradients: tf.Tensor[]; auxiliary: X } {
  return withoutGradient(() => {
    const named = Object.fromEntries(inputs.map((input, i) => [`_${i}`, input]));
    const { loss, gradients, auxiliary } = valueAndGradients((parameters) => fn(...Object.values(parameters)), named);
    return { value: loss, gradients: Object.values(gradients), auxiliary };
  });
}
