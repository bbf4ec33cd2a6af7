import type { FamilyAdaptRequest } from '@graft/core';
import { Option, type Command } from 'commander';
import type { CommandContext } from './shared/context';
import { openFamilyOf } from '../models/open-components';
import { integer, listOf, pluginOption, positiveNumber } from './shared/options';
import { CommandLineError } from '../output/command-line-error';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

const PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;

type AdaptOptions = Pick<FamilyAdaptRequest, 'encoder' | 'decoder' | 'out' | 'dtype' | 'resume'> &
  WriteOptions & {
    readonly plugin?: readonly string[];
    readonly crossAttention: string;
    readonly crossAttentionNorms?: string;
    readonly random?: readonly string[];
  };

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
    .addOption(dtypeOption("the sources' if they agree, else float32"))
    .addOption(pluginOption());
  addWriteOptions(command).action(async (options: AdaptOptions) => {
    if (options.crossAttention === 'copy' && options.random?.includes('cross-attention'))
      throw new CommandLineError('--cross-attention copy and --random cross-attention contradict each other.');
    if (options.crossAttentionNorms === 'copy' && options.random?.includes('cross-attention'))
      throw new CommandLineError('--cross-attention-norms copy and --random cross-attention contradict each other.');
    const found = await openFamilyOf(context, options.plugin, options.encoder);
    const { refuseCommand } = await import('@graft/core');
    if (!found.family.adapt) throw refuseCommand(found, 'graft adapt', 'adapts no checkpoints');
    const { encoder, decoder, out, dtype, resume, shardGigabytes, plugin: _plugin, ...choices } = options;
    await writeCheckpoint(context, {
      shardGigabytes,
      label: 'adapting',
      interrupted: '.adapt-interrupted',
      write: (request) => found.family.adapt!({ encoder, decoder, out, dtype, resume, choices, ...request }),
      report: (result) => {
        for (const note of result.notes) context.note(note);
        context.print(result.out);
      },
    });
  });
}
