import type { AdaptProgress, AdaptRequest } from '@graft/gemma';
import { Option, type Command } from 'commander';
import type { CommandContext } from '../context';
import { integer, listOf, positiveNumber } from '../options';

const PARTS = ['encoder', 'decoder', 'embedding'] as const;
const DTYPES = ['float32', 'bfloat16', 'float16', 'f32', 'bf16', 'f16'];

export function addAdaptCommand(program: Command, context: CommandContext): void {
  program
    .command('adapt')
    .description('make an encoder-decoder checkpoint out of one or two decoder-only ones; prints its folder')
    .requiredOption('--encoder <folder>', 'decoder-only checkpoint that becomes the encoder')
    .option('--decoder <folder>', "decoder-only checkpoint that becomes the decoder (default: the encoder's)")
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(
      new Option('--cross-attention <how>', 'auto: copied where widths and heads of both sides agree, otherwise random')
        .choices(['auto', 'copy', 'random'])
        .default('auto'),
    )
    .option(
      '--random <parts>',
      'parts not taken from the checkpoints, for ablations: encoder, decoder, embedding',
      listOf(PARTS),
    )
    .option('--seed <n>', 'of what is random', integer(0), 0)
    .option('--std <x>', 'standard deviation of what is random', positiveNumber)
    .addOption(
      new Option(
        '--dtype <dtype>',
        "of the stored tensors (default: the sources' if they agree, else float32)",
      ).choices(DTYPES),
    )
    .action(async (options: Omit<AdaptRequest, 'onProgress'>) => {
      const { adaptCheckpoint } = await import('@graft/gemma');
      const showsProgress = process.stderr.isTTY && !context.globals.quiet;
      const report = await adaptCheckpoint({ ...options, onProgress: showsProgress ? showProgress : undefined });
      context.note(
        `${report.tensors} tensors, ${report.parameters.toLocaleString('en')} parameters, ${report.dtype}; cross-attention ${report.crossAttention}: ${report.crossAttentionReason}.`,
      );
      if (report.unused.length > 0) context.note(`Not taken along: ${report.unused.join(', ')}.`);
      context.print(report.out);
    });
}

/** One line of a terminal, rewritten in place. */
function showProgress({ doneTensors, tensors, doneBytes, bytes }: AdaptProgress): void {
  const percent = bytes === 0 ? 100 : Math.floor((100 * doneBytes) / bytes);
  process.stderr.write(`\r${doneTensors}/${tensors} tensors, ${percent} %${doneTensors === tensors ? '\n' : ''}`);
}
