import type { FamilyExportRequest } from '@graft/core';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';
import { openFamilyOf } from '../models/open-components';
import { encoderAttentionOption, encoderWindowOption, pluginOption } from './shared/options';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

type ExportOptions = Pick<FamilyExportRequest, 'encoder' | 'out' | 'dtype' | 'resume'> &
  WriteOptions & { readonly plugin?: readonly string[] };

export function addExportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('export')
    .description('write the encoder of an encoder-decoder as a separate checkpoint; prints its folder')
    .requiredOption(
      '--encoder <folder>',
      'checkpoint of T5Gemma or of a --plugin, or a step-N folder of a run, whose encoder is exported',
    )
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(dtypeOption("the source's"))
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .addOption(pluginOption());
  addWriteOptions(command).action(async (options: ExportOptions) => {
    const found = await openFamilyOf(context, options.plugin, options.encoder);
    const { refuseCommand } = await import('@graft/core');
    if (!found.family.exportEncoder) throw refuseCommand(found, 'graft export', 'exports no encoders');
    const { encoder, out, dtype, resume, shardGigabytes, plugin: _plugin, ...choices } = options;
    await writeCheckpoint(context, {
      shardGigabytes,
      label: 'exporting',
      interrupted: '.export-interrupted',
      write: (request) => found.family.exportEncoder!({ encoder, out, dtype, resume, choices, ...request }),
      report: (result) => {
        for (const note of result.notes) context.note(note);
        context.print(result.out);
      },
    });
  });
}
