import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { CommandContext } from './shared/context';
import { integer } from './shared/options';

interface MakeOptions {
  out: string;
  seed: number;
  trainRows: number;
  valRows: number;
  testRows: number;
}

export function addDataCommand(program: Command, context: CommandContext): void {
  const data = program.command('data').description('create small data sets for experiments');
  data
    .command('make')
    .description('write a small synthetic data set that a small model can learn; prints its folder')
    .addArgument(
      program
        .createArgument('<kind>', 'superglue: all eight tasks, in the layout of the benchmark')
        .choices(['superglue']),
    )
    .requiredOption('--out <folder>', 'the new folder; it must not exist')
    .option('--seed <n>', 'seed of the random choices', integer(0), 0)
    .option('--train-rows <n>', 'training rows of each task', integer(1), 400)
    .option('--val-rows <n>', 'validation rows of each task', integer(1), 100)
    .option(
      '--test-rows <n>',
      'test rows of each task, without labels; with them AX-b and AX-g are written',
      integer(0),
      0,
    )
    .action(async (_kind: string, { out, ...options }: MakeOptions) => {
      const { writeSyntheticBenchmark } = await import('@graft/superglue');
      await writeSyntheticBenchmark(resolve(out), options);
      context.print(resolve(out));
    });
}
