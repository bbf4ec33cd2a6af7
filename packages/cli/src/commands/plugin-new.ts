import type { InterfaceName } from '@graft/core';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { pluginNames } from '../plugins/plugin-names';
import { writePlugin } from '../plugins/write-plugin';
import { ownVersion } from '../version';
import type { CommandContext } from './shared/context';

/** As `INTERFACES` of @graft/core, which is loaded only by commands that compute. */
const KINDS: readonly InterfaceName[] = [
  'model',
  'initializer',
  'objective',
  'optimizer',
  'schedule',
  'dataset',
  'evaluator',
  'tokenizer',
  'tracker',
  'callback',
];

export function addPluginCommand(program: Command, context: CommandContext): void {
  program
    .command('plugin')
    .description('create plugins')
    .command('new')
    .description('write a package with one component, its test and its build; prints its folder')
    .argument('<name>', "the package's name, such as graft-plugin-step-decay; the component is step-decay")
    .addOption(
      program.createOption('--kind <kind>', 'the interface of the component').choices(KINDS).default('objective'),
    )
    .option('--out <folder>', "the new folder; it must not exist (default: the package's name)")
    .action((name: string, { kind, out }: { kind: InterfaceName; out?: string }) => {
      const names = pluginNames(name);
      const folder = resolve(out ?? names.folder);
      writePlugin(folder, kind, names, ownVersion());
      context.print(folder);
      context.note(`The package ${name} has the ${kind} "${names.id}". In its folder: npm install, then npm test.`);
    });
}
