import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { CommandContext } from './shared/context';
import { integer } from './shared/options';

interface AverageOptions {
  out: string;
  run?: string;
  last?: number;
}

const DEFAULT_LAST = 5;

export function addAverageCommand(program: Command, context: CommandContext): void {
  program
    .command('average')
    .description('average checkpoints of one model: the given folders, or the newest ones of a run')
    .argument('[folders...]', 'at least two checkpoint folders')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .option(
      '--run <folder>',
      "average the newest checkpoints of this run; a run's folder, or the folder of a name (its latest run)",
    )
    .option('--last <n>', `with --run: number of newest checkpoints to average (default: ${DEFAULT_LAST})`, integer(2))
    .action(async (folders: string[], { out, run, last }: AverageOptions) => {
      const { averageCheckpoints } = await import('@graft/checkpoint');
      const chosen = await choose(folders, run, last);
      await averageCheckpoints(chosen, resolve(out));
      context.note(`The mean of ${chosen.length} checkpoints: ${chosen.join(', ')}`);
      context.print(resolve(out));
    });
}

async function choose(
  folders: readonly string[],
  run: string | undefined,
  last: number | undefined,
): Promise<readonly string[]> {
  const { UsageError } = await import('@graft/engine');
  if ((run === undefined) === (folders.length === 0)) {
    throw new UsageError('Name either checkpoint folders or --run.', { code: 'average.what' });
  }
  if (run === undefined) {
    if (last !== undefined) throw new UsageError('--last belongs to --run.', { code: 'average.last' });
    if (folders.length > 1) return folders;
    throw new UsageError(`One checkpoint, ${folders[0]}, has no mean but itself.`, {
      code: 'average.one',
      hint: 'Name at least two folders, or a run by --run.',
    });
  }
  const { findCheckpoints } = await import('@graft/core');
  const wanted = last ?? DEFAULT_LAST;
  const { places, found } = await findCheckpoints(run);
  if (found) {
    const { place, snapshots } = found;
    if (snapshots.length >= wanted) return snapshots.slice(-wanted).map(({ folder }) => folder);
    throw new UsageError(
      `${place} holds ${snapshots.length} checkpoint${snapshots.length === 1 ? '' : 's'} (${snapshots.map(({ step }) => `step-${step}`).join(', ')}), but ${wanted} were asked for.`,
      {
        code: 'average.too-few',
        hint: 'Lower --last; how many a run keeps is decided by train.keepCheckpoints and train.checkpointEvery.',
      },
    );
  }
  throw new UsageError(`${run} is not a run: there are no checkpoints in ${places.join(' or ')}.`, {
    code: 'average.no-run',
  });
}
