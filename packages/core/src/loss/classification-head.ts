/** Shapes: N rows, D width of a state, C classes. */
import { random, tf } from '@graft/engine';
import type { Parameters } from '../interfaces';
import type { RandomStream } from '../random/streams';

/** Tensor names of the head, a linear layer with a bias, in the published classification checkpoints. */
export const HEAD_WEIGHT = 'score.out_proj.weight';

/** Name of a classification head's bias, as in published checkpoints. */
export const HEAD_BIAS = 'score.out_proj.bias';

/**
 * A new head as the published implementation initializes it: weights [C, D] with the standard deviation
 * `initializerRange` times C^-0.5, bias [C] zeros. The caller owns the tensors.
 */
export function freshHead(
  { classes, width, initializerRange }: { classes: number; width: number; initializerRange: number },
  stream: RandomStream,
): Parameters {
  const deviation = initializerRange / Math.sqrt(classes);
  return tf.tidy(() => ({
    [HEAD_WEIGHT]: random.normal(random.key(stream.key()), [classes, width], 0, deviation),
    [HEAD_BIAS]: tf.zeros([classes]),
  }));
}

/** Class logits [N, C] of states [N, D]. Traceable. */
export function headLogits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D {
  return tf.add(
    tf.matMul(states as tf.Tensor2D, parameters[HEAD_WEIGHT] as tf.Tensor2D, false, true),
    parameters[HEAD_BIAS],
  );
}
