import { tf } from '../tf';
import { withGradient } from './custom-gradient';
import { openMeshes } from '../mesh/open-meshes';
import { orderAfter } from './order-after';
import { innerGradients } from './value-and-gradients';

/** Tensors that a rematerialized function needs in addition to its inputs. */
export interface RecomputedOptions {
  /** Tensors with a gradient that stay in memory anyway: parameters. */
  readonly parameters?: readonly tf.Tensor[];
  /** Without a gradient: masks and tables. Integers are keys of random draws, which are repeated, not stored. */
  readonly fixed?: readonly tf.Tensor[];
}

/**
 * A scalar with the gradient `dy` with respect to y. The sum of y * dy has it too, but its automatic gradient multiplies
 * by a tensor of ones, which has to be made and uploaded.
 */
function seeded(y: tf.Tensor, dy: tf.Tensor): tf.Scalar {
  return withGradient<[tf.Tensor]>((save, value) => {
    save([dy]);
    return { value: tf.sum(tf.mul(value, dy)), gradients: (_, [seed]) => [seed] };
  })(y) as tf.Scalar;
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
        const again = saved.slice(0, count).map((input) => orderAfter(input, [dy]));
        // Parameters that are split over a mesh are gathered again, instead of staying whole on each device until here.
        const weights = saved.slice(count, ends).map((one) => (openMeshes.any ? orderAfter(one, [dy]) : one));
        const others = saved.slice(ends).map((other) => (other.dtype === 'int32' ? orderAfter(other, [dy]) : other));
        return innerGradients(
          (...xs) => ({ loss: seeded(fn(xs.slice(0, count), xs.slice(count), others), dy), auxiliary: {} }),
          [...again, ...weights],
        ).gradients;
      },
    };
  })(...inputs, ...parameters);
}
