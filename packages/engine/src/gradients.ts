import { EngineError } from './errors';
import { treeMap } from './jit/tree';
import { BARRIER } from './kernels/barrier';
import { isTracedForXla } from './precision';
import { tapeState } from './tape';
import { tf } from './tf';
import type { Tree } from './types';

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

/**
 * The same tensor, which a compiled function computes only after `others`. This orders parts of a computation that
 * would otherwise be in memory together, or be merged where they must be computed twice. float32 or int32.
 */
export function after(tensor: tf.Tensor, others: readonly tf.Tensor[]): tf.Tensor {
  if (!isTracedForXla()) {
    const inputs = Object.fromEntries([tensor, ...others].map((value, i) => [i, value]));
    return (tf.engine().runKernel(BARRIER, inputs) as unknown as tf.Tensor[])[0];
  }
  // XLA's CPU compiler forgets optimization barriers before it decides on an order. It may not fold 0 * x to 0, since x
  // may be non-finite, so the dependency survives; if x is non-finite, nothing else is finite either.
  const firsts = others
    .filter(({ size }) => size > 0)
    .map((other) => tf.cast(tf.slice(tf.reshape(other, [-1]), 0, 1), 'float32'));
  if (firsts.length === 0) return tensor.clone();
  return tf.add(tensor, tf.cast(tf.mul(tf.addN(firsts).asScalar(), 0), tensor.dtype));
}

/** Tensors that a rematerialized function needs in addition to its inputs. */
export interface RecomputedOptions {
  /** Tensors with a gradient that stay in memory anyway: parameters. */
  readonly parameters?: readonly tf.Tensor[];
  /** Without a gradient: masks and tables. Integers are keys of random draws, which are repeated, not stored. */
  readonly fixed?: readonly tf.Tensor[];
}

/**
 * `fn` of the inputs, whose intermediate results are computed again in the backward pass instead of being stored
 * (rematerialization). `fn` must not capture other tensors than its arguments.
 */
export function recomputed(
  fn: (inputs: readonly tf.Tensor[], parameters: readonly tf.Tensor[], fixed: readonly tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  { parameters = [], fixed = [] }: RecomputedOptions = {},
): tf.Tensor {
  const [count, ends] = [inputs.length, inputs.length + parameters.length];
  return withGradient<tf.Tensor[]>((save, ...given) => {
    save([...given, ...fixed]);
    return {
      value: fn(given.slice(0, count), given.slice(count), fixed),
      gradients: (dy, saved) => {
        // Only once dy is available: otherwise both computations would be merged and the result stored.
        const again = saved.slice(0, count).map((input) => after(input, [dy]));
        const others = saved.slice(ends).map((other) => (other.dtype === 'int32' ? after(other, [dy]) : other));
        return innerGradients(
          (...xs) => ({
            loss: tf.sum(tf.mul(fn(xs.slice(0, count), xs.slice(count), others), dy)),
            auxiliary: {},
          }),
          [...again, ...saved.slice(count, ends)],
        ).gradients;
      },
    };
  })(...inputs, ...parameters);
}
