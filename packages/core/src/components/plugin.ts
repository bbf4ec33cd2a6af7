import { PluginError } from '@graft/engine';
import type { z } from 'zod';
import type { ComponentTypes, InterfaceName } from '../interfaces';
import type { ComponentContext } from './context';

/* eslint-disable @typescript-eslint/no-explicit-any -- constructors of any parameters: tsyringe supplies them */
type Constructor<T> = new (...args: any[]) => T;

/** One thing that a config can name. */
export interface ComponentDefinition<I extends InterfaceName = InterfaceName, O = any> {
  readonly interface: I;
  /** Bare id, as in `use: adamw`. */
  readonly id: string;
  /** One clause for `graft plugins`. */
  readonly description: string;
  /** Strict schema of the options next to `use`. */
  readonly options: z.ZodType<O>;
  /** Resolved by tsyringe in a separate container: OPTIONS, ENGINE, RANDOM, COMPONENTS, LOGGER by `@inject(TOKEN)`. */
  readonly useClass?: Constructor<ComponentTypes[I]>;
  readonly useFactory?: (context: ComponentContext<O>) => ComponentTypes[I] | Promise<ComponentTypes[I]>;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

export interface Plugin {
  readonly name: string;
  readonly version?: string;
  readonly components: readonly ComponentDefinition[];
}

/** Checks the types of a component at its definition. Exactly one of `useClass` and `useFactory`. */
export function defineComponent<I extends InterfaceName, S extends z.ZodType>(
  definition: Omit<ComponentDefinition<I, z.output<S>>, 'options'> & { readonly options: S },
): ComponentDefinition<I> {
  if ((definition.useClass === undefined) === (definition.useFactory === undefined)) {
    throw new PluginError(`Component "${definition.id}" should have either useClass or useFactory.`, {
      code: 'plugin.component',
    });
  }
  return definition;
}

export function definePlugin(plugin: Plugin): Plugin {
  return plugin;
}

/** Whether a value has the shape of a plugin; a plugin may come from another copy of this package. */
export function isPlugin(value: unknown): value is Plugin {
  const plugin = value as Partial<Plugin> | null | undefined;
  return (
    typeof plugin === 'object' && plugin !== null && typeof plugin.name === 'string' && Array.isArray(plugin.components)
  );
}
