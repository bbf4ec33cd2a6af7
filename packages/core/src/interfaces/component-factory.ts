import type { ComponentSpec } from './component-spec';
import type { ComponentTypes, InterfaceName } from './component-types';

/**
 * What a component is for: a training, an evaluation, or the batches of a training alone, of which no loss is computed. Only
 * for `training` does an objective load what its loss in training needs, such as a teacher, which takes as much memory again.
 */
export type ComponentPurpose = 'training' | 'evaluation' | 'batches';

/** Creates components, both for a config's sections and for a component's own parts. */
export interface ComponentFactory {
  /**
   * Throws PluginError when the id is unknown, the options are wrong, a dependency is missing, the component cannot be made,
   * or what was made lacks something that its interface wants. `place` tells parts of the same kind apart, by their name
   * or index: each gets random numbers of its own.
   */
  create<I extends InterfaceName>(
    interface_: I,
    spec: ComponentSpec | string,
    place?: string | number,
  ): Promise<ComponentTypes[I]>;
  /** The same factory for components that only measure, and for their parts: their `purpose` is `evaluation`. */
  forEvaluation(): ComponentFactory;
  /** The same factory for components that make the batches of a training and no more: their `purpose` is `batches`. */
  forBatches(): ComponentFactory;
}
