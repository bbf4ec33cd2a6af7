import { Option, type Command } from 'commander';
import { resolve } from 'node:path';
import { openLogger, type CommandContext } from './shared/context';
import { CommandLineError } from '../output/command-line-error';
import { deviceOption, engineOption, integer, positiveNumber } from './shared/options';
import { interruptible, loadRunnable, noteInterrupted, setOption, type RunnableOptions } from './shared/runnable';

interface CacheCommandOptions extends RunnableOptions {
  teacher?: string;
  out?: string;
  topK?: number;
  sample?: number;
  steps?: number;
  dtype: 'float16' | 'float32';
  batchSize?: number;
  shardMegabytes: number;
}

export function addTeacherCommand(program: Command, context: CommandContext): void {
  const teacher = program.command('teacher').description('prepare teachers for distillation');
  teacher
    .command('cache')
    .description(
      "run a teacher over a config's training data and store tokens of its distributions on disk; prints the folder",
    )
    .argument(
      '[config]',
      'yaml, json, ts or js file, whose objective (prefix-lm, ul2) has `distillation: { cache: FOLDER }`',
    )
    .option('--teacher <folder>', "the teacher's checkpoint (default: distillation.teacher of the config)")
    .option('--out <folder>', 'the cache; an existing one is extended (default: distillation.cache of the config)')
    .option(
      '--top-k <n>',
      'number of most probable tokens to store of each distribution, for the losses blend and gemma2 (default: 64)',
      integer(1),
    )
    .option(
      '--sample <n>',
      "number of tokens to sample from each distribution, for the loss gemma3 (default: the config's distillation.samples)",
      integer(1),
    )
    .option('--steps <n>', "number of steps whose sequences are cached (default: the config's train.steps)", integer(1))
    .addOption(
      new Option('--dtype <type>', 'dtype of the stored log-probabilities')
        .choices(['float16', 'float32'])
        .default('float16'),
    )
    .option('--batch-size <n>', 'sequences per batch of the teacher (default: a micro-batch)', integer(1))
    .option('--shard-megabytes <x>', 'size of a shard in MB, which is buffered in memory', positiveNumber, 256)
    .addOption(setOption())
    .addOption(engineOption())
    .addOption(deviceOption())
    .addHelpText(
      'after',
      '\nCtrl-C writes the results so far and stops with status 130; the same command continues from there.',
    )
    .action((config: string | undefined, options: CacheCommandOptions) => cache(context, config, options));
}

async function cache(context: CommandContext, file: string | undefined, options: CacheCommandOptions): Promise<void> {
  if (options.topK !== undefined && options.sample !== undefined)
    throw new CommandLineError('--top-k and --sample contradict each other: give one of them.');
  const { loadConfig } = await import('@graft/core');
  const { formatDuration } = await import('@graft/core/internal');
  const { cacheTeacher } = await import('@graft/objectives');
  const { isModelPath } = await import('@graft/checkpoint');
  const loaded = await loadRunnable(loadConfig, context, file, options);
  const { logEvery } = loaded.config.train;
  const logger = await openLogger(context);
  // Measured from the end of the first step: before it the teacher is loaded and compiled.
  let first: { readonly step: number; readonly at: number } | undefined;
  const result = await interruptible(context, 'Stopping after this step', (signal) =>
    cacheTeacher(loaded, {
      teacher: options.teacher && (isModelPath(options.teacher) ? options.teacher : resolve(options.teacher)),
      folder: options.out && resolve(options.out),
      topK: options.topK,
      samples: options.sample,
      steps: options.steps,
      dtype: options.dtype === 'float16' ? 'F16' : 'F32',
      batchSize: options.batchSize,
      shardBytes: options.shardMegabytes * 1e6,
      signal,
      logger,
      onStep: (step, steps, sequences) => {
        first ??= { step, at: performance.now() };
        const seconds = (performance.now() - first.at) / 1000 / Math.max(1, step - first.step);
        const left = seconds * (steps - step);
        if (step % logEvery === 0 || step === steps)
          context.note(`step ${step}/${steps}, ${sequences} sequences, ${formatDuration(left)} left`);
      },
    }),
  );
  const { sequences, added, positions, bytesPerPosition, steps } = result;
  const size = ((positions * bytesPerPosition) / 1e6).toFixed(1);
  context.note(
    `${sequences} sequences (${added} new) with ${positions} positions, ${bytesPerPosition} bytes each: ${size} MB.`,
  );
  if (result.status === 'interrupted')
    noteInterrupted(context, `Stopped at step ${steps}; the same command continues from there.`);
  context.print(result.folder);
}
