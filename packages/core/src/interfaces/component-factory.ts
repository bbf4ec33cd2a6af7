import type { ComponentTypes, InterfaceName } from './component-types';

/** A component named in a config, its options beside `use`; checked when the config was loaded. */
export interface ComponentSpec {
  readonly use: string;
  readonly [option: string]: unknown;
}

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
}
