import { PluginError } from '@graft/engine';
import { show } from '../util/show';
import { secretKeys } from '../config/walk';
import { rememberSecretName } from '../secrets/redact';
import type { ComponentDefinition, Plugin, Provision } from './plugin';
import { checkRequires } from './requires';
import { tokenName } from './tokens';
import { INTERFACES, type InterfaceName, type Task } from '../interfaces';
import { nearest } from '../util/suggest';

/** A component and its plugin. */
export interface RegisteredComponent {
  readonly definition: ComponentDefinition;
  readonly plugin: string;
  /** The version that the plugin declares. */
  readonly version?: string;
  /** Where the plugin came from: a package, a file, or the config itself. */
  readonly origin: string;
  /** The file from which it was loaded; undefined for a plugin that was passed as a value. */
  readonly file?: string;
}

/** A value that a plugin provides to others, and the plugin. */
export interface RegisteredProvision {
  readonly provision: Provision;
  readonly plugin: string;
  readonly origin: string;
  /** The file from which the plugin was loaded; undefined for a plugin that was passed as a value. */
  readonly file?: string;
}

/** A task of an evaluation, and the plugin. */
export interface RegisteredTask {
  readonly task: Task;
  readonly plugin: string;
  readonly origin: string;
}

/** Keys of a section that core reserves: a component's option with such a name would never reach it. */
const RESERVED_OPTIONS: Readonly<Partial<Record<InterfaceName, readonly string[]>>> = {
  evaluator: ['use', 'name', 'every'],
};

/** All components of the loaded plugins, by interface and id. */
export class Registry {
  private readonly plugins = new Map<string, string>();
  private readonly provisions = new Map<symbol, RegisteredProvision>();
  private readonly taskOwners = new Map<string, RegisteredTask>();
  private readonly components = new Map<InterfaceName, RegisteredComponent[]>(INTERFACES.map((name) => [name, []]));

  /** Throws PluginError, with both origins, if the plugin's name or one of its ids is already registered. */
  register(plugin: Plugin, origin: string, file?: string): void {
    const earlier = this.plugins.get(plugin.name);
    if (earlier !== undefined) {
      throw new PluginError(`Plugin "${plugin.name}" is registered twice: by ${earlier} and by ${origin}.`, {
        code: 'plugin.duplicate',
        hint: 'Name it once under `plugins:`.',
      });
    }
    checkRequires(plugin.name, plugin.requires, origin);
    for (const definition of plugin.components) {
      checkDefinition(definition, plugin, origin);
      this.checkImplied(definition, plugin, origin);
    }
    for (const provision of plugin.provides ?? []) this.checkProvision(provision, plugin, origin);
    for (const task of plugin.tasks ?? []) this.checkTask(task, plugin, origin);
    this.plugins.set(plugin.name, origin);
    for (const provision of plugin.provides ?? [])
      this.provisions.set(provision.token, { provision, plugin: plugin.name, origin, file });
    for (const task of plugin.tasks ?? []) this.taskOwners.set(task.id, { task, plugin: plugin.name, origin });
    for (const definition of plugin.components) {
      for (const key of secretKeys(definition.options)) rememberSecretName(key);
      this.components
        .get(definition.interface)!
        .push({ definition, plugin: plugin.name, version: plugin.version, origin, file });
    }
  }

  /** The values that plugins provide to the components of others. */
  get provided(): readonly RegisteredProvision[] {
    return [...this.provisions.values()];
  }

  /** The tasks that plugins list, in the order of their registration. */
  get tasks(): readonly RegisteredTask[] {
    return [...this.taskOwners.values()];
  }

  private checkTask(task: Task, plugin: Plugin, origin: string): void {
    const refuse = (what: string, code = 'plugin.task'): never => {
      throw new PluginError(`Plugin "${plugin.name}" (${origin}) has ${what}.`, { code });
    };
    const { id, version, metric } = task ?? {};
    if (typeof id !== 'string' || !/^[^\s/,]+$/.test(id))
      refuse(`a task with the id ${JSON.stringify(id)}; an id is a word without "/" and ","`);
    if (!Number.isSafeInteger(version) || typeof metric !== 'string' || typeof task.items !== 'function')
      refuse(`a task "${id}" without an integer "version", a name in "metric", or a function "items"`);
    const earlier = this.taskOwners.get(id);
    const isTwice = plugin.tasks!.find((other) => other?.id === id) !== task;
    if (earlier || isTwice)
      refuse(
        `a task "${id}", which ${earlier ? `plugin "${earlier.plugin}" (${earlier.origin})` : 'it'} has already`,
        'plugin.duplicate',
      );
  }

  private checkProvision(provision: Provision, plugin: Plugin, origin: string): void {
    const { token, useFactory } = provision ?? {};
    if (typeof token !== 'symbol' || typeof useFactory !== 'function')
      throw new PluginError(
        `Plugin "${plugin.name}" (${origin}) provides something without a token and a factory; use provide(TOKEN, { ... }).`,
        { code: 'plugin.provision' },
      );
    const earlier = this.provisions.get(token);
    const owner =
      earlier !== undefined
        ? `plugin "${earlier.plugin}" (${earlier.origin})`
        : plugin.provides!.find((other) => other.token === token) !== provision
          ? 'itself'
          : undefined;
    if (owner !== undefined)
      throw new PluginError(
        `Plugin "${plugin.name}" (${origin}) provides ${tokenName(token)}, which is provided by ${owner} already.`,
        { code: 'plugin.duplicate-token' },
      );
  }

  private checkImplied(
    { id, interface: interface_, impliedBy }: ComponentDefinition,
    plugin: Plugin,
    origin: string,
  ): void {
    const key = impliedBy?.find((one) => this.implied(interface_, { [one]: undefined }) !== undefined);
    if (key === undefined) return;
    throw new PluginError(
      `Plugin "${plugin.name}" (${origin}) has a component "${id}" that the key "${key}" implies, as it does "${this.implied(interface_, { [key]: undefined })}" already.`,
      { code: 'plugin.duplicate', hint: 'Leave the key out of `impliedBy`.' },
    );
  }

  /** The origin of the plugin with that name, if it is registered. */
  originOf(plugin: string): string | undefined {
    return this.plugins.get(plugin);
  }

  /** The components in the order of their registration: of one interface, or of all. */
  list(interface_?: InterfaceName): readonly RegisteredComponent[] {
    return interface_ ? this.components.get(interface_)! : [...this.components.values()].flat();
  }

  /** The values of `use` in a config: bare ids, and `plugin/id` if two plugins have the same id. */
  names(interface_: InterfaceName): string[] {
    const known = this.components.get(interface_)!;
    const bare = known.map(({ definition }) => definition.id);
    return known.map(({ definition: { id }, plugin }) =>
      bare.indexOf(id) === bare.lastIndexOf(id) ? id : `${plugin}/${id}`,
    );
  }

  /**
   * The component of `use: id` (or `use: plugin/id`). If there is none, throws PluginError with the known ids and the
   * nearest.
   */
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

  /** What `use` would be in a section without it: of the component that one of its keys implies; undefined: of none. */
  implied(interface_: InterfaceName, section: Readonly<Record<string, unknown>>): string | undefined {
    const found = this.components
      .get(interface_)!
      .find(({ definition }) => definition.impliedBy?.some((key) => Object.hasOwn(section, key)));
    if (!found) return undefined;
    const { definition, plugin } = found;
    return this.names(interface_).includes(definition.id) ? definition.id : `${plugin}/${definition.id}`;
  }

  /** The known name that is nearest to an unknown one, if any is near. */
  nearest(interface_: InterfaceName, use: string): string | undefined {
    const long = this.components.get(interface_)!.map(({ plugin, definition }) => `${plugin}/${definition.id}`);
    return nearest(use, use.includes('/') ? long : this.names(interface_));
  }

  private unknown(interface_: InterfaceName, use: string): string {
    const names = this.names(interface_);
    const list = names.length > 0 ? `known are ${names.map((id) => `"${id}"`).join(', ')}` : 'no loaded plugin has one';
    return `There is no ${interface_} "${use}"; ${list}${this.hint(interface_, use)}`;
  }

  private hint(interface_: InterfaceName, use: string): string {
    const elsewhere = this.list().find(({ definition }) => definition.id === use);
    if (elsewhere) return `; "${use}" is a component for "${elsewhere.definition.interface}"`;
    const best = this.nearest(interface_, use);
    return best === undefined ? '' : `; did you mean "${best}" (from ${this.find(interface_, best).plugin})?`;
  }
}

/** Makes the checks of the types, because plugins may be written without TypeScript. */
function checkDefinition(definition: ComponentDefinition, plugin: Plugin, origin: string): void {
  const refuse = (what: string, code = 'plugin.component'): never => {
    throw new PluginError(`Plugin "${plugin.name}" (${origin}) has ${what}.`, { code });
  };
  if (typeof definition !== 'object' || definition === null)
    refuse(`a component that is ${show(definition)}, no object`);
  const { id, interface: interface_ } = definition;
  if (typeof id !== 'string' || !/^[^\s/]+$/.test(id)) {
    refuse(`a component with the id ${JSON.stringify(id)}; an id is a word without "/"`);
  }
  if (!INTERFACES.includes(interface_)) {
    refuse(
      `a component "${id}" for the interface "${String(interface_)}"; known are ${INTERFACES.join(', ')}`,
      'plugin.interface',
    );
  }
  if ((definition.useClass === undefined) === (definition.useFactory === undefined)) {
    refuse(`a component "${id}" without exactly one of useClass and useFactory`);
  }
  for (const maker of ['useClass', 'useFactory'] as const) {
    const value: unknown = definition[maker];
    if (value !== undefined && typeof value !== 'function') {
      refuse(`a component "${id}" whose ${maker} is ${show(value)}, no ${maker === 'useClass' ? 'class' : 'function'}`);
    }
  }
  // Schemas of zod 3 have a different internal structure.
  if (typeof (definition.options as { _zod?: unknown } | undefined)?._zod !== 'object') {
    refuse(`a component "${id}" whose options are not a schema of zod 4`);
  }
  const shape = (definition.options as { shape?: object }).shape ?? {};
  const lost = (RESERVED_OPTIONS[interface_] ?? ['use']).find((key) => Object.hasOwn(shape, key));
  if (lost !== undefined) refuse(`a component "${id}" with an option "${lost}", a key that core keeps for itself`);
  const twins = plugin.components.filter((other) => other?.interface === interface_ && other.id === id);
  if (twins.length > 1) refuse(`two components "${id}" for "${interface_}"`, 'plugin.duplicate');
}
