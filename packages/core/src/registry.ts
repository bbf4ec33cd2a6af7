import { PluginError } from '@graft/engine';
import type { ComponentDefinition, InterfaceName, Plugin } from './plugin';
import { INTERFACES } from './plugin';
import { didYouMean } from './suggest';

/** A component and who brought it. */
export interface RegisteredComponent {
  readonly definition: ComponentDefinition;
  readonly plugin: string;
  /** Where the plugin came from: a package, a file, or the config itself. */
  readonly origin: string;
}

/** All components of the loaded plugins, by interface and id. */
export class Registry {
  private readonly plugins = new Map<string, string>();
  private readonly components = new Map<InterfaceName, RegisteredComponent[]>(INTERFACES.map((name) => [name, []]));

  /** Throws PluginError when the plugin's name, or an id within it, is taken already, naming both sides. */
  register(plugin: Plugin, origin: string): void {
    const earlier = this.plugins.get(plugin.name);
    if (earlier !== undefined) {
      throw new PluginError(`Plugin "${plugin.name}" is registered twice: by ${earlier} and by ${origin}.`, {
        code: 'plugin.duplicate',
        hint: 'Name it once under `plugins:`.',
      });
    }
    for (const definition of plugin.components) this.check(definition, plugin, origin);
    this.plugins.set(plugin.name, origin);
    for (const definition of plugin.components) {
      this.components.get(definition.interface)!.push({ definition, plugin: plugin.name, origin });
    }
  }

  list(interface_?: InterfaceName): readonly RegisteredComponent[] {
    return interface_ ? this.components.get(interface_)! : [...this.components.values()].flat();
  }

  /** The component that `use: id` (or `use: plugin/id`) means. Throws PluginError with the known ids and the nearest. */
  find(interface_: InterfaceName, use: string): RegisteredComponent {
    const known = this.components.get(interface_)!;
    const matches = known.filter(
      ({ definition, plugin }) => definition.id === use || `${plugin}/${definition.id}` === use,
    );
    if (matches.length === 1) return matches[0];
    if (matches.length > 1) {
      const names = matches.map(({ plugin, definition, origin }) => `"${plugin}/${definition.id}" (${origin})`);
      throw new PluginError(`${interface_} "${use}" could be ${names.join(' or ')}; use the longer name.`, {
        code: 'plugin.ambiguous',
        exitCode: 2,
      });
    }
    throw new PluginError(this.unknown(interface_, use), { code: 'plugin.unknown-component', exitCode: 2 });
  }

  private unknown(interface_: InterfaceName, use: string): string {
    const ids = this.components.get(interface_)!.map(({ definition }) => definition.id);
    const elsewhere = this.list().find(({ definition }) => definition.id === use);
    const hint = elsewhere ? `; "${use}" is a component for "${elsewhere.definition.interface}"` : didYouMean(use, ids);
    const list = ids.length > 0 ? `known are ${ids.map((id) => `"${id}"`).join(', ')}` : 'no loaded plugin has one';
    return `There is no ${interface_} "${use}"; ${list}${hint}`;
  }

  private check(definition: ComponentDefinition, plugin: Plugin, origin: string): void {
    if (!INTERFACES.includes(definition.interface)) {
      throw new PluginError(
        `Plugin "${plugin.name}" (${origin}) has a component "${definition.id}" for the interface "${String(definition.interface)}"; known are ${INTERFACES.join(', ')}.`,
        { code: 'plugin.interface' },
      );
    }
    const twins = plugin.components.filter(
      ({ interface: other, id }) => other === definition.interface && id === definition.id,
    );
    if (twins.length > 1) {
      throw new PluginError(
        `Plugin "${plugin.name}" (${origin}) has two components "${definition.id}" for "${definition.interface}".`,
        {
          code: 'plugin.duplicate',
        },
      );
    }
  }
}
