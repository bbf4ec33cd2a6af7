import type { ExportEncoderRequest } from '@graft/gemma';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';
import { encoderAttentionOption, encoderWindowOption } from './shared/options';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

export function addExportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('export')
    .description('write the encoder of an encoder-decoder as a separate checkpoint; prints its folder')
    .requiredOption('--encoder <folder>', 'T5Gemma checkpoint, or a step-N folder of a run, whose encoder is exported')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(dtypeOption("the source's"))
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption());
  addWriteOptions(command).action(
    async (options: Omit<ExportEncoderRequest, 'onProgress' | 'signal'> & WriteOptions) => {
      const { exportEncoder } = await import('@graft/gemma');
      await writeCheckpoint(context, {
        shardGigabytes: options.shardGigabytes,
        label: 'exporting',
        interrupted: 'gemma.export-interrupted',
        write: (request) => exportEncoder({ ...options, ...request }),
        report: ({ out, tensors, parameters, dtype }) => {
          context.note(
            `${tensors} tensors, ${parameters.toLocaleString('en')} parameters, ${dtype}; an encoder alone.`,
          );
          context.print(out);
        },
      });
    },
  );
}
