import type { RegisteredComponent, RegisteredTask, Registry } from '@graft/core';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';
import { defaultPlugins } from '../default-plugins';
import { CommandLineError } from '../output/command-line-error';
import { collect } from './shared/options';
import { optionsText } from '../output/options';
import { optionsReference } from '../output/options-reference';
import { table } from '../output/table';

interface PluginsOptions {
  readonly plugin?: string[];
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly types?: boolean;
}

export function addPluginsCommand(program: Command, context: CommandContext): void {
  program
    .command('plugins')
    .description('list the components and tasks that a config can name, or show the options of a component')
    .argument('[id]', 'component whose options are shown, e.g. ul2 or @graft/objectives/ul2')
    .option('--plugin <name>', 'also load this package or file; may be repeated', collect)
    .option('--json', 'print JSON')
    .option('--types', "print the components' options as TypeScript declarations, for configs in TypeScript")
    .option('--markdown', 'print a page in Markdown with the options of all components')
    .action(async (id: string | undefined, options: PluginsOptions) => {
      if (options.json && options.types) throw new CommandLineError('--json and --types are two formats; give one.');
      const { componentTypes, loadRegistry } = await import('@graft/core');
      const registry = await loadRegistry([...defaultPlugins, ...(options.plugin ?? [])], [process.cwd(), __dirname], {
        onCode: context.noteCode,
      });
      if (options.types) context.write(componentTypes(registry));
      else if (options.markdown) context.write(await optionsReference(registry));
      else if (id !== undefined) await showOptions(context, await findComponents(registry, id), options);
      else list(context, registry, options);
    });
}

function factsOf({ definition, plugin, version, origin }: RegisteredComponent): Record<string, string | undefined> {
  return {
    interface: definition.interface,
    id: definition.id,
    plugin,
    version,
    origin,
    // Plugins may be written without types.
    description: typeof definition.description === 'string' ? definition.description : '',
  };
}

function factsOfTask({ task, plugin, origin }: RegisteredTask): Record<string, string | undefined> {
  const { id, version, description } = task;
  return { interface: 'task', id, plugin, origin, description: `${description} (version ${version})` };
}

function list(context: CommandContext, registry: Registry, { json }: PluginsOptions): void {
  const components = [...registry.list().map(factsOf), ...registry.tasks.map(factsOfTask)];
  if (json) {
    context.print(JSON.stringify(components, null, 2));
    return;
  }
  const rows = components.map((component) => [
    component.interface ?? '',
    component.id ?? '',
    [component.origin, component.version].filter(Boolean).join(' '),
    component.description ?? '',
  ]);
  context.print(table(['interface', 'use', 'from', 'what it is'], rows));
}

/** The components of an id, which several interfaces may have (`mixture`). Throws UsageError if there is none. */
async function findComponents(registry: Registry, id: string): Promise<RegisteredComponent[]> {
  const all = registry.list();
  const found = all.filter(({ definition, plugin }) => definition.id === id || `${plugin}/${definition.id}` === id);
  if (found.length > 0) return found;
  const { didYouMean, UsageError } = await import('@graft/core');
  const names = all.map(({ definition, plugin }) => (id.includes('/') ? `${plugin}/${definition.id}` : definition.id));
  throw new UsageError(`No loaded plugin has a component "${id}"${didYouMean(id, names) || '.'}`, {
    code: 'plugin.unknown-component',
    hint: '`graft plugins` lists all components; `--plugin` loads another plugin.',
  });
}

async function showOptions(
  context: CommandContext,
  components: readonly RegisteredComponent[],
  { json }: PluginsOptions,
): Promise<void> {
  const { describeOptions } = await import('@graft/core');
  const described = components.map((component) => ({
    ...factsOf(component),
    options: describeOptions(component.definition.options),
  }));
  if (json) {
    context.print(JSON.stringify(described, null, 2));
    return;
  }
  const texts = described.map((component) => {
    const { interface: of, id, plugin, description, options } = component as typeof component & Record<string, string>;
    return `${id} (${of}, from ${plugin}): ${description}\n\n${optionsText(options, process.stdout.columns)}`;
  });
  context.print(texts.join('\n\n'));
}
