import type { tf } from '@graft/engine';

/**
 * Parameters by their Hugging Face tensor name. A plain object, so that it is a tree for `jit` and for gradients.
 * Read-only: a component that overwrites an entry or disposes a tensor gets a PluginError that names it.
 */
export type Parameters = Readonly<Record<string, tf.Tensor>>;
