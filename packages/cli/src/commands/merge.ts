import type { Command } from 'commander';
import { resolve } from 'node:path';
import { familyComponents, openRegistry } from '../models/open-components';
import type { CommandContext } from './shared/context';
import { pluginOption } from './shared/options';

interface MergeOptions {
  readonly adapter: string;
  readonly out: string;
  readonly plugin?: readonly string[];
}

export function addMergeCommand(program: Command, context: CommandContext): void {
  program
    .command('merge')
    .description('write a model and a low-rank adapter (LoRA) as one checkpoint; prints its folder')
    .argument('<model>', 'the checkpoint that the adapter was trained on')
    .requiredOption('--adapter <folder>', "adapter in PEFT's layout, such as a step-N folder of a run with train.lora")
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(pluginOption())
    .action(async (model: string, { adapter, out, plugin }: MergeOptions) => {
      const { mergeAdapter } = await import('@graft/core');
      const registry = await openRegistry(context, plugin);
      const components = await familyComponents(context, registry);
      const report = await mergeAdapter({ model, adapter, out: resolve(out), registry, components });
      context.note(`${report.changed} of ${report.tensors} tensors have changed.`);
      context.print(report.out);
    });
}
