import type { CheckpointError } from '@graft/core';
import type { ExportEncoderRequest } from '@graft/gemma';
import { Option, type Command } from 'commander';
import { byteProgress } from '../byte-progress';
import type { CommandContext } from '../context';
import { encoderAttentionOption, encoderWindowOption, positiveNumber } from '../options';

/** As shells report a Ctrl-C. */
const INTERRUPTED = 130;
const DTYPES = ['float32', 'bfloat16', 'float16', 'f32', 'bf16', 'f16'];

export function addExportCommand(program: Command, context: CommandContext): void {
  program
    .command('export')
    .description('write the encoder of an encoder-decoder as a checkpoint of its own; prints its folder')
    .requiredOption('--encoder <folder>', 'T5Gemma checkpoint, or a step-N folder of a run, whose encoder is taken')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(new Option('--dtype <dtype>', "of the stored tensors (default: the source's)").choices(DTYPES))
    .addOption(encoderWindowOption())
    .addOption(encoderAttentionOption())
    .option(
      '--shard-gigabytes <x>',
      'largest file of weights; finished ones outlive an interruption (default: 5)',
      positiveNumber,
    )
    .option('--resume', 'go on with what an interrupted call with the same options left; begin where there is nothing')
    .addHelpText('after', '\nCtrl-C stops with status 130; finished files are kept, and --resume goes on from there.')
    .action(async (options: Omit<ExportEncoderRequest, 'onProgress' | 'signal'> & { shardGigabytes?: number }) => {
      const { exportEncoder } = await import('@graft/gemma');
      const { withInterrupt } = await import('@graft/core');
      const progress = await byteProgress('exporting', context);
      try {
        const report = await withInterrupt(
          (signal) =>
            exportEncoder({
              ...options,
              maxShardBytes: options.shardGigabytes === undefined ? undefined : options.shardGigabytes * 1e9,
              signal,
              onProgress: ({ doneBytes, bytes }) => progress.update(doneBytes, bytes),
            }),
          () => context.note('Stopping; once more ends at once.'),
        );
        progress.stop();
        context.note(
          `${report.tensors} tensors, ${report.parameters.toLocaleString('en')} parameters, ${report.dtype}; an encoder alone.`,
        );
        context.print(report.out);
      } catch (error) {
        progress.stop();
        if ((error as { code?: unknown }).code !== 'gemma.export-interrupted') throw error;
        const { message, hint } = error as CheckpointError;
        context.note(`${message} ${hint}`);
        context.exitCode = INTERRUPTED;
      }
    });
}
