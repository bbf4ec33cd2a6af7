import type { tf } from '@graft/engine';

/** Parameters by their Hugging Face tensor name. A plain object, so that it is a tree for `jit` and for gradients. */
export type Parameters = Record<string, tf.Tensor>;
