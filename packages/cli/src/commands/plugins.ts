import type { Command } from 'commander';
import type { CommandContext } from './shared/context';
import { defaultPlugins } from '../default-plugins';
import { CommandLineError } from '../output/command-line-error';
import { collect } from './shared/options';
import { table } from '../output/table';

export function addPluginsCommand(program: Command, context: CommandContext): void {
  program
    .command('plugins')
    .description('list the components that a config can name, and their plugins')
    .option('--plugin <name>', 'also load this package or file; may be repeated', collect)
    .option('--json', 'print JSON')
    .option('--types', "print the components' options as TypeScript declarations, for configs in TypeScript")
    .action(async (options: { plugin?: string[]; json?: boolean; types?: boolean }) => {
      if (options.json && options.types) throw new CommandLineError('--json and --types are two formats; give one.');
      const { componentTypes, loadRegistry } = await import('@graft/core');
      const registry = await loadRegistry([...defaultPlugins, ...(options.plugin ?? [])], [process.cwd(), __dirname], {
        onCode: context.noteCode,
      });
      if (options.types) {
        context.write(componentTypes(registry));
        return;
      }
      const components = registry.list().map(({ definition, plugin, version, origin }) => ({
        interface: definition.interface,
        id: definition.id,
        plugin,
        version,
        origin,
        // Plugins may be written without types.
        description: typeof definition.description === 'string' ? definition.description : '',
      }));
      if (options.json) {
        context.print(JSON.stringify(components, null, 2));
        return;
      }
      const rows = components.map((component) => [
        component.interface,
        component.id,
        [component.origin, component.version].filter(Boolean).join(' '),
        component.description,
      ]);
      context.print(table(['interface', 'use', 'from', 'what it is'], rows));
    });
}
