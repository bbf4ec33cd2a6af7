import { tf } from '../tf';
import { withGradient } from './custom-gradient';
import { orderAfter } from './order-after';
import { innerGradients } from './value-and-gradients';

/** Tensors that a recomputed function needs beside its inputs. */
export interface RecomputedOptions {
  /** With a gradient, and there from the beginning to the end: parameters. */
  readonly parameters?: readonly tf.Tensor[];
  /** Without a gradient: masks and tables. Integers are keys of random draws, which are drawn again too, not kept. */
  readonly fixed?: readonly tf.Tensor[];
}

/**
 * `fn` of the inputs, whose intermediate results are computed again for the gradient instead of being kept
 * (rematerialization). `fn` closes over no other tensors than those that it is given.
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
        // Not before dy is there: otherwise it would be the same computation, done once and kept.
        const again = saved.slice(0, count).map((input) => orderAfter(input, [dy]));
        const others = saved.slice(ends).map((other) => (other.dtype === 'int32' ? orderAfter(other, [dy]) : other));
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
