import type { FamilyAdaptRequest } from '@graft/core';
import { Option, type Command } from 'commander';
import type { CommandContext } from './shared/context';
import { openFamilyOf } from '../models/open-components';
import { integer, listOf, numberOf, pluginOption, positiveNumber } from './shared/options';
import { CommandLineError } from '../output/command-line-error';
import { addWriteOptions, dtypeOption, writeCheckpoint, type WriteOptions } from './shared/write-checkpoint';

const PARTS = ['encoder', 'decoder', 'cross-attention', 'embedding'] as const;

type AdaptOptions = Pick<FamilyAdaptRequest, 'encoder' | 'decoder' | 'out' | 'dtype' | 'resume'> &
  WriteOptions & {
    readonly plugin?: readonly string[];
    readonly crossAttention: string;
    readonly crossAttentionNorms?: string;
    readonly random?: readonly string[];
    readonly to?: string;
    readonly delta?: string;
    readonly decoderDelta?: string;
    readonly scale?: number;
  };

/** Options of a fresh adaptation, which --to does not make, by their names in the command. */
const FRESH: Readonly<Record<string, string>> = {
  crossAttentionForm: '--cross-attention-form',
  tieEncoderEmbedding: '--tie-encoder-embedding',
  preserveFunction: '--preserve-function',
  expandHeads: '--expand-heads',
  seed: '--seed',
  std: '--std',
};

function checkDelta(command: Command, { to, delta, decoderDelta, scale }: AdaptOptions): void {
  const hasDelta = delta !== undefined || decoderDelta !== undefined;
  if (to === undefined) {
    if (hasDelta || scale !== undefined)
      throw new CommandLineError('--delta, --decoder-delta and --scale belong to --to: they change an adapted model.');
    return;
  }
  if (!hasDelta)
    throw new CommandLineError('--to needs --delta or --decoder-delta: the checkpoint whose difference is added.');
  const fresh = Object.keys(FRESH).find((name) => command.getOptionValueSource(name) === 'cli');
  if (fresh !== undefined)
    throw new CommandLineError(
      `${FRESH[fresh]} belongs to a new adaptation; --to changes a model that is adapted already.`,
    );
}

/** `--preserve-function` alone is true. */
const stepsOf = (text: string): { steps: number } => ({ steps: integer(1)(text) });

export function addAdaptCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('adapt')
    .description('convert one or two decoder-only checkpoints into an encoder-decoder; prints its folder')
    .requiredOption('--encoder <folder>', 'decoder-only checkpoint for the encoder')
    .option('--decoder <folder>', 'decoder-only checkpoint for the decoder (default: the same as --encoder)')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .addOption(
      new Option(
        '--cross-attention-form <form>',
        'how the decoder reads the source: separate, by projections of its own; merged, in one softmax with its own tokens; auto: merged for two sides of one Gemma 3 (T5Gemma 2), otherwise separate',
      )
        .choices(['auto', 'separate', 'merged'])
        .default('auto'),
    )
    .option(
      '--tie-encoder-embedding',
      'one embedding table for both sides and the output (default: of T5Gemma 2; --no-tie-encoder-embedding: two tables)',
    )
    .option(
      '--preserve-function [steps]',
      'begin in the form that computes what the checkpoint does; with a number, training turns it into its own form in that many steps',
      stepsOf,
    )
    .addOption(new Option('--no-tie-encoder-embedding').hideHelp())
    .addOption(
      new Option(
        '--cross-attention <how>',
        'initialize separate cross-attention; auto: copy self-attention if widths and heads of both sides agree, otherwise random',
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
    .option('--to <folder>', 'add a difference to this model, which was adapted from --encoder and --decoder before')
    .option(
      '--delta <folder>',
      'with --to: fine-tuned --encoder, such as an instruction-tuned checkpoint, whose difference is added; of both sides if they are the same',
    )
    .option(
      '--decoder-delta <folder>',
      'with --to: fine-tuned --decoder, likewise (default: --delta if both are the same)',
    )
    .option(
      '--scale <x>',
      'with --to: factor of the difference (default: 1)',
      numberOf('', () => true),
    )
    .addOption(dtypeOption("the sources' if they agree, else float32"))
    .addOption(pluginOption());
  addWriteOptions(command).action(async (options: AdaptOptions) => {
    checkDelta(command, options);
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
