import type { LearningRatePoint, LearningRateRange } from '@graft/core';
import type { Command } from 'commander';
import { openLogger, type CommandContext } from './shared/context';
import { deviceOption, engineOption, integer, positiveNumber } from './shared/options';
import { interruptible, loadRunnable, noteInterrupted, setOption, type RunnableOptions } from './shared/runnable';

interface FindLearningRateOptions extends RunnableOptions {
  from: number;
  to: number;
  steps: number;
  json?: boolean;
}

/** Lines of the table; a test has more points than a terminal has lines. */
const ROWS = 20;

export function addFindLearningRateCommand(program: Command, context: CommandContext): void {
  program
    .command('find-lr')
    .description('train a few steps with a rising learning rate, and print how the loss follows; leaves no run folder')
    .argument('[config]', 'yaml, json, ts or js file (default: graft.config.* in this folder or above)')
    .option('--from <rate>', 'learning rate of the first step', positiveNumber, 1e-7)
    .option('--to <rate>', 'learning rate of the last step', positiveNumber, 1)
    .option('--steps <number>', 'number of steps, between which the rate rises by equal ratios', integer(10), 100)
    .option('--json', 'print every step as JSON')
    .addOption(setOption('train.batchSize=8'))
    .addOption(engineOption())
    .addOption(deviceOption())
    .action((config: string | undefined, options: FindLearningRateOptions) => find(context, config, options));
}

async function find(
  context: CommandContext,
  file: string | undefined,
  options: FindLearningRateOptions,
): Promise<void> {
  const { findLearningRate, loadConfig } = await import('@graft/core');
  const loaded = await loadRunnable(loadConfig, context, file, options);
  const logger = await openLogger(context);
  const { logEvery } = loaded.config.train;
  const { from, to, steps } = options;
  const range = await interruptible(context, 'Stopping after this step', (signal) =>
    findLearningRate(loaded, {
      ...{ from, to, steps, signal, logger },
      onStep: ({ learningRate, loss }, step) => {
        if (step % logEvery === 0)
          logger.info(`step ${step}/${steps}, learning rate ${learningRate.toExponential(2)}, loss ${loss.toFixed(4)}`);
      },
    }),
  );
  if (options.json) context.print(JSON.stringify(range));
  else for (const line of linesOf(range)) context.print(line);
  if (range.ended === 'interrupted')
    noteInterrupted(context, `Stopped after ${range.points.length} of ${steps} steps.`);
}

function linesOf({ points, steepest, lowest, ended }: LearningRateRange): string[] {
  const every = Math.max(1, Math.ceil(points.length / ROWS));
  const rows = points.filter((_, i) => i % every === 0 || i === points.length - 1);
  const row = ({ learningRate, loss, smoothed }: LearningRatePoint): string =>
    [learningRate.toExponential(2), loss.toFixed(4), smoothed.toFixed(4)].map((text) => text.padStart(13)).join('');
  const last = points.at(-1);
  return [
    ['learning rate', 'loss', 'smoothed'].map((text) => text.padStart(13)).join(''),
    ...rows.map(row),
    ...(ended === 'diverged' && last ? [`The loss diverged at ${last.learningRate.toExponential(2)}.`] : []),
    ...(steepest === undefined || lowest === undefined
      ? ['The loss never fell in this range.']
      : [
          `The smoothed loss fell fastest at ${steepest.toExponential(2)}, and was lowest at ${lowest.toExponential(2)}, a tenth of which is ${(lowest / 10).toExponential(2)}.`,
        ]),
    ...(ended === 'finished' && lowest !== undefined && lowest === last?.learningRate
      ? ['The loss still fell where the range ended: give a higher --to, or more --steps, before you choose by it.']
      : []),
  ];
}
