import type { CheckpointError } from '@graft/core';
import { Option, type Command } from 'commander';
import { byteProgress } from '../../output/byte-progress';
import type { CommandContext } from './context';
import { positiveNumber } from './options';
import { interruptible, noteInterrupted } from './runnable';

/** Options of commands that stream a checkpoint into a new folder. */
export interface WriteOptions {
  readonly shardGigabytes?: number;
}

/** `unset`: description of the default. */
export function dtypeOption(unset: string): Option {
  return new Option('--dtype <dtype>', `dtype of the stored tensors (default: ${unset})`).choices([
    'float32',
    'bfloat16',
    'float16',
    'f32',
    'bf16',
    'f16',
  ]);
}

/** Adds the options and the help text of commands that write checkpoints. */
export function addWriteOptions(command: Command): Command {
  return command
    .option(
      '--shard-gigabytes <x>',
      'maximum size of a weights file in GB; an interrupted call keeps finished files (default: 5)',
      positiveNumber,
    )
    .option('--resume', 'continue an interrupted call with the same options; without one, start from scratch')
    .addHelpText('after', '\nCtrl-C stops with status 130 and keeps finished files; --resume continues from there.');
}

/** What the writer receives in addition to its own request. */
export interface WriteRequest {
  readonly maxShardBytes?: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly doneBytes: number; readonly bytes: number }) => void;
  readonly onWatch: (sentence: string) => void;
}

/**
 * A command around its writer: `label` is that of the progress bar, `interrupted` the end of the error's code after a Ctrl-C.
 */
export interface WriteCommand<R> extends WriteOptions {
  readonly label: string;
  readonly interrupted: string;
  write(request: WriteRequest): Promise<R>;
  /** Prints the result. */
  report(result: R): void;
}

/** Writes a checkpoint with a progress bar; a Ctrl-C ends it with a sentence and status 130. */
export async function writeCheckpoint<R>(context: CommandContext, command: WriteCommand<R>): Promise<void> {
  const { label, interrupted, shardGigabytes } = command;
  const progress = await byteProgress(label, context);
  try {
    const result = await interruptible(context, 'Stopping', (signal) =>
      command.write({
        maxShardBytes: shardGigabytes === undefined ? undefined : shardGigabytes * 1e9,
        signal,
        onProgress: ({ doneBytes, bytes }) => progress.update(doneBytes, bytes),
        onWatch: (sentence) => context.note(sentence),
      }),
    );
    progress.stop();
    command.report(result);
  } catch (error) {
    progress.stop();
    if (!String((error as { code?: unknown }).code).endsWith(interrupted)) throw error;
    const { message, hint } = error as CheckpointError;
    noteInterrupted(context, `${message} ${hint}`);
  }
}
