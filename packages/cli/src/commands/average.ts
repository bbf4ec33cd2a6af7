import type { MergeRequest } from '@graft/checkpoint';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { resolve } from 'node:path';
import { CommandLineError } from '../output/command-line-error';
import type { CommandContext } from './shared/context';
import { integer, numberOf } from './shared/options';

interface AverageOptions {
  readonly out: string;
  readonly run?: string;
  readonly last?: number;
  readonly method?: MergeRequest['method'];
  readonly weights?: readonly number[];
  readonly t?: number;
  readonly base?: string;
  readonly delta?: readonly string[];
  readonly scale?: number;
  readonly density?: number;
}

const DEFAULT_LAST = 5;

/** Options that belong to some of the methods. */
const METHODS_OF: Readonly<Partial<Record<keyof AverageOptions, readonly MergeRequest['method'][]>>> = {
  weights: ['linear', 'task-arithmetic', 'ties'],
  t: ['slerp'],
  base: ['task-arithmetic', 'ties'],
  delta: ['task-arithmetic', 'ties'],
  scale: ['task-arithmetic', 'ties'],
  density: ['ties'],
};

/** A comma-separated list of numbers. */
function numbers(text: string): number[] {
  return text.split(',').map((word) => {
    const value = Number(word);
    if (word.trim() === '' || !Number.isFinite(value))
      throw new InvalidArgumentError(`"${word.trim()}" is not a number; expected a comma-separated list, as 1,0.5.`);
    return value;
  });
}

export function addAverageCommand(program: Command, context: CommandContext): void {
  program
    .command('average')
    .description(
      'average or merge checkpoints of one model: the given folders, the newest ones of a run, or differences to a base',
    )
    .argument('[folders...]', 'at least two checkpoint folders')
    .requiredOption('--out <folder>', 'the new checkpoint; it must not exist')
    .option(
      '--run <folder>',
      "average the newest checkpoints of this run; a run's folder, or the folder of a name (its latest run)",
    )
    .option('--last <n>', `with --run: number of newest checkpoints to average (default: ${DEFAULT_LAST})`, integer(2))
    .addOption(
      new Option(
        '--method <name>',
        'linear: the weighted mean; slerp: between two, along the sphere; task-arithmetic: --base plus differences; ties: likewise, of which only the largest numbers with the elected sign count (default: linear; with --base task-arithmetic)',
      ).choices(['linear', 'slerp', 'task-arithmetic', 'ties']),
    )
    .option('--weights <list>', 'weights of the folders, or of each --delta, in their order (default: 1 each)', numbers)
    .option(
      '--t <share>',
      'with slerp: share of the way from the first to the second (default: 0.5)',
      numberOf('from 0 to 1', (value) => value >= 0 && value <= 1),
    )
    .option('--base <folder>', 'the checkpoint that the ones of --delta were trained from')
    .option('--delta <folders...>', 'with --base: checkpoints whose differences to the base are added to it')
    .option(
      '--scale <x>',
      'with --base: factor of all differences (default: 1)',
      numberOf('', () => true),
    )
    .option(
      '--density <share>',
      'with ties: share of each difference that is kept (default: 1)',
      numberOf('above 0, at most 1', (value) => value > 0 && value <= 1),
    )
    .action(async (folders: string[], options: AverageOptions) => {
      const { mergeCheckpoints } = await import('@graft/checkpoint');
      const request = await requestOf(folders, options);
      await mergeCheckpoints(request, resolve(options.out));
      context.note(describe(request));
      context.print(resolve(options.out));
    });
}

/** Throws CommandLineError for options that do not belong to the method, and UsageError for a wrong choice of folders. */
async function requestOf(folders: readonly string[], options: AverageOptions): Promise<MergeRequest> {
  const { method = options.base === undefined ? 'linear' : 'task-arithmetic', base, delta, run, last } = options;
  for (const [option, methods] of Object.entries(METHODS_OF))
    if (options[option as keyof AverageOptions] !== undefined && !methods.includes(method))
      throw new CommandLineError(`--${option} belongs to ${methods.join(' and ')}; the method here is ${method}.`);
  const { weights, t = 0.5, scale, density } = options;
  if (method === 'task-arithmetic' || method === 'ties') {
    if (base === undefined || delta === undefined)
      throw new CommandLineError(`The method ${method} takes a checkpoint by --base, and one or more by --delta.`);
    if (folders.length > 0 || run !== undefined)
      throw new CommandLineError('With --base, name the other checkpoints by --delta, not as folders or by --run.');
    return { method, base, deltas: delta, ...given({ weights, scale, density }) };
  }
  const chosen = await choose(folders, run, last);
  if (method === 'linear') return { method, folders: chosen, ...given({ weights }) };
  const [first, second, ...more] = chosen;
  if (more.length > 0) throw new CommandLineError(`The method slerp takes two checkpoints, not ${chosen.length}.`);
  return { method, folders: [first, second], t };
}

/** Without what is undefined. */
const given = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

function describe(request: MergeRequest): string {
  if ('base' in request) {
    const { method, base, deltas } = request;
    const differences = deltas.length === 1 ? 'the difference' : 'the differences';
    return `${base}, with ${differences} of ${deltas.join(', ')} (${method})`;
  }
  const { folders } = request;
  if (request.method === 'slerp') return `${request.t} of the way from ${folders[0]} to ${folders[1]} (slerp)`;
  const what = request.weights === undefined ? 'The mean' : `The mean by the weights ${request.weights.join(', ')}`;
  return `${what} of ${folders.length} checkpoints: ${folders.join(', ')}`;
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
