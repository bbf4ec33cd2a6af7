import type { ComponentSpec } from './component-spec';
import type { ComponentTypes, InterfaceName } from './component-types';

/**
 * The purpose of a component. For an evaluation, a component omits parts that only training needs: an objective omits
 * its teacher, which would double the memory. For batches, an objective only makes the batches of a training run.
 */
export type ComponentPurpose = 'training' | 'evaluation' | 'batches';

/** Creates components, both for a config's sections and for a component's own parts. */
export interface ComponentFactory {
  /**
   * Throws PluginError if the id is unknown, the options are invalid, a dependency is missing, the component cannot be
   * created, or it lacks a member of its interface. `place` (a name or an index) distinguishes components of the same
   * kind, so that each gets its own random numbers.
   */
  create<I extends InterfaceName>(
    interface_: I,
    spec: ComponentSpec | string,
    place?: string | number,
  ): Promise<ComponentTypes[I]>;
  /**
   * The same factory for components that only evaluate, and for their nested components: their `purpose` is
   * `evaluation`.
   */
  forEvaluation(): ComponentFactory;
  /** The same factory for components that only make the batches of a training run: their `purpose` is `batches`. */
  forBatches(): ComponentFactory;
}
