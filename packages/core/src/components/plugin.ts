import { PluginError } from '@graft/engine';
import type { z } from 'zod';
import type { ComponentTypes, InterfaceName, Task } from '../interfaces';
import type { ComponentContext, ProvisionContext } from './context';
import type { Token } from './tokens';

/* eslint-disable @typescript-eslint/no-explicit-any -- constructors of any parameters: tsyringe supplies them */
type Constructor<T> = new (...args: any[]) => T;

/** Description of a component in its definition; `ComponentMaker` contains how it is created. */
export interface ComponentDescription<I extends InterfaceName, S> {
  readonly interface: I;
  /** Bare id, as in `use: adamw`. */
  readonly id: string;
  /** One clause for `graft plugins`. */
  readonly description: string;
  /** Strict schema of the options next to `use`. */
  readonly options: S;
  /**
   * Options that imply the component where a section has no `use`: with `[encoder, decoder]`, `{ encoder: …, decoder: … }`
   * is `{ use: id, encoder: …, decoder: … }`. No other component of the interface may be implied by one of them. Default:
   * none.
   */
  readonly impliedBy?: readonly string[];
}

/** Exactly one of a factory and a class. */
export type ComponentMaker<I extends InterfaceName, O> =
  | {
      /** Receives the validated options, with defaults filled in, and all dependencies. */
      readonly useFactory: (context: ComponentContext<O>) => ComponentTypes[I] | Promise<ComponentTypes[I]>;
      readonly useClass?: undefined;
    }
  | {
      /** tsyringe resolves it in a separate container: each parameter names its token, `@inject(OPTIONS)`. */
      readonly useClass: Constructor<ComponentTypes[I]>;
      readonly useFactory?: undefined;
    };

/** One component that a config can name. */
export type ComponentDefinition<I extends InterfaceName = InterfaceName, O = any> = ComponentDescription<
  I,
  z.ZodType<O>
> &
  ComponentMaker<I, O>;

/** A value that a plugin provides to the components of all plugins. */
export interface Provision<T = any> {
  readonly token: Token<T>;
  /** One clause for `graft plugins`. */
  readonly description: string;
  /** Called on the first request for the token, once per run (and once in each thread of its data). */
  readonly useFactory: (context: ProvisionContext) => T;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

/** A named list of components, as `definePlugin` takes it. */
export interface Plugin {
  readonly name: string;
  readonly version?: string;
  /** Range of Graft versions that the plugin supports, in npm's notation: `^0.2`. Default: any. */
  readonly requires?: string;
  /** Values that it provides to other plugins, by token. */
  readonly provides?: readonly Provision[];
  /** Tasks for evaluators, such as `benchmarks`, which names them by their ids. */
  readonly tasks?: readonly Task[];
  readonly components: readonly ComponentDefinition[];
}

/**
 * Defines a component and checks the types: the interface's members, exactly one of `useFactory` and `useClass`, and
 * the factory's options, which must be the schema's output.
 */
export function defineComponent<I extends InterfaceName, S extends z.ZodType>(
  definition: ComponentDescription<I, S> & ComponentMaker<I, z.output<S>>,
): ComponentDefinition<I> {
  if ((definition.useClass === undefined) === (definition.useFactory === undefined)) {
    throw new PluginError(
      `Component "${(definition as { id: string }).id}" should have either useClass or useFactory.`,
      {
        code: 'plugin.component',
      },
    );
  }
  return definition;
}

/**
 * Provides a value to other plugins, and checks its type against the token's. It must not own tensors: nothing disposes
 * it.
 */
export function provide<T>(token: Token<T>, provision: Omit<Provision<T>, 'token'>): Provision<T> {
  return { token, ...provision };
}

/** Returns the plugin as it is, with its type checked. */
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
