import { EngineError } from '@graft/errors';
import { withGradient } from '../autodiff';
import { tf } from '../tf';
import type { ShardingSpec } from './types';

/** The name of the kernel that constrains how a value is split. Attribute: `spec`. */
export const CONSTRAIN = 'GraftConstrain';

/**
 * The same values, of which a compiled function over a mesh gives each device its slice; the gradient is split likewise.
 * Without it the compiler decides. Elsewhere than on a mesh it does nothing. Throws EngineError for a spec of more
 * dimensions than the tensor has.
 */
export function constrain<T extends tf.Tensor>(tensor: T, spec: ShardingSpec): T {
  if (spec.length > tensor.rank)
    throw new EngineError(
      `A sharding of ${spec.length} dimensions does not fit a tensor [${tensor.shape.join(', ')}].`,
      { code: 'engine.sharding' },
    );
  if (!tf.getKernel(CONSTRAIN, tf.getBackend())) return tensor;
  const run = (x: tf.Tensor): tf.Tensor => tf.engine().runKernel(CONSTRAIN, { x }, { spec: JSON.stringify(spec) });
  if (tensor.dtype !== 'float32') return run(tensor) as T;
  return withGradient((_, x) => ({ value: run(x), gradients: (dy) => [constrain(dy, spec)] }))(tensor) as T;
}
