import type { AdaptRequest } from '@graft/gemma';
import { Option, type Command } from 'commander';
import type { CommandContext } from './shared/context';
import { integer, listOf, positiveNumber } from './shared/options';
import { CommandLineError } from '../output/command-line-error';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

const PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;

export function addAdaptCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('adapt')
    .description('convert one or two decoder-only checkpoints into an encoder-decoder; prints its folder')
    .requiredOption('--encoder <folder>', 'decoder-only checkpoint for the encoder')
    .option('--decoder <folder>', 'decoder-only checkpoint for the decoder (default: the same as --encoder)')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(
      new Option(
        '--cross-attention <how>',
        'initialize cross-attention; auto: copy self-attention if widths and heads of both sides agree, otherwise random',
      )
        .choices(['auto', 'copy', 'random'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--cross-attention-norms <how>',
        "initialize the norms around cross-attention: copy those of the decoder's self-attention, or identity (gain 1) (default: copy, but identity with --random cross-attention)",
      ).choices(['copy', 'identity']),
    )
    .addOption(
      new Option(
        '--expand-heads <side>',
        'repeat the key/value heads of that side, one per query head: same function, more parameters',
      ).choices(['encoder']),
    )
    .option(
      '--random <parts>',
      'initialize these parts at random, for ablations; comma-separated: encoder, decoder, cross-attention, embedding',
      listOf(PARTS),
    )
    .option('--seed <n>', 'seed of the random initialization', integer(0), 0)
    .option('--std <x>', 'standard deviation of the random initialization (default: 0.02)', positiveNumber)
    .addOption(dtypeOption("the sources' if they agree, else float32"));
  addWriteOptions(command).action(async (options: Omit<AdaptRequest, 'onProgress' | 'signal'> & WriteOptions) => {
    if (options.crossAttention === 'copy' && options.random?.includes('cross-attention'))
      throw new CommandLineError('--cross-attention copy and --random cross-attention contradict each other.');
    if (options.crossAttentionNorms === 'copy' && options.random?.includes('cross-attention'))
      throw new CommandLineError('--cross-attention-norms copy and --random cross-attention contradict each other.');
    const { adaptCheckpoint } = await import('@graft/gemma');
    await writeCheckpoint(context, {
      shardGigabytes: options.shardGigabytes,
      label: 'adapting',
      interrupted: 'gemma.adapt-interrupted',
      write: (request) => adaptCheckpoint({ ...options, ...request }),
      report: (report) => {
        context.note(
          `${report.tensors} tensors, ${report.parameters.toLocaleString('en')} parameters, ${report.dtype}; cross-attention ${report.crossAttention}: ${report.crossAttentionReason}.`,
        );
        const expanded = report.expandedHeads;
        context.note(
          `Norms around cross-attention: ${report.crossAttentionNorms === 'copied' ? "those around the decoder's self-attention" : 'gain 1'}.`,
        );
        if (expanded) context.note(`The encoder's ${expanded.from} key/value heads became ${expanded.to}.`);
        else if (options.expandHeads)
          context.note('The encoder had a key/value head for each query head already; none was repeated.');
        if (report.unused.length > 0) context.note(`Not taken along: ${report.unused.join(', ')}.`);
        context.print(report.out);
      },
    });
  });
}
