import type { Command } from 'commander';
import { CommandLineError } from '../output/command-line-error';
import { csv } from '../output/csv';
import { checkKeys, matches, parseCondition, queriedRun, sortedBy, type QueriedRun } from '../output/run-query';
import { table } from '../output/table';
import { numberText } from '../sweep/sweep-table';
import type { CommandContext } from './shared/context';
import { collect, integer } from './shared/options';

interface RunsCommandOptions {
  readonly where?: readonly string[];
  readonly sort?: string;
  readonly descending?: boolean;
  readonly columns?: string;
  readonly limit?: number;
  readonly compare?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** Metrics in a table that the user did not ask for. */
const USUAL_METRICS = 3;

export function addRunsCommand(program: Command, context: CommandContext): void {
  program
    .command('runs')
    .description('list, filter, sort and compare runs by what their folders contain')
    .argument('[folders...]', 'folders of all runs, of a name, or of runs (default: runs)')
    .option(
      '--where <condition>',
      "only runs with it: status=finished, 'heldOut/loss<2.5', name=rates*; may be repeated",
      collect,
    )
    .option('--sort <key>', 'order by this key, smallest first (default: created)')
    .option('--descending', 'largest first')
    .option('--columns <keys>', 'columns beside run and status, separated by commas (default: steps, seconds, metrics)')
    .option('--limit <number>', 'only the last ones, or with --sort the first ones', integer(1))
    .option('--compare', 'a column for each run: the keys in which their configs differ, and their numbers')
    .option('--json', 'print everything that is known about each run as JSON')
    .option('--csv', 'print the table as CSV')
    .action((folders: string[], options: RunsCommandOptions) => runs(context, folders, options));
}

async function runs(context: CommandContext, folders: readonly string[], options: RunsCommandOptions): Promise<void> {
  if ([options.json, options.csv].filter(Boolean).length > 1)
    throw new CommandLineError('Give --json or --csv, not both.');
  if (options.compare && options.columns !== undefined)
    throw new CommandLineError('--columns belongs to the list of runs: --compare shows all numbers.');
  if (options.descending && options.sort === undefined) throw new CommandLineError('--descending belongs to --sort.');
  const conditions = (options.where ?? []).map(parseCondition);
  const columns = options.columns?.split(',').map((key) => key.trim());
  const all = await read(context, folders.length > 0 ? folders : ['runs']);
  await checkKeys(all, [
    ...conditions.map(({ key }) => key),
    ...(options.sort ? [options.sort] : []),
    ...(columns ?? []),
  ]);
  const selected = all.filter((run) => conditions.every((condition) => matches(run, condition)));
  const sorted = sortedBy(selected, options.sort ?? 'created', options.descending ?? false);
  const { limit } = options;
  const shown =
    limit === undefined ? sorted : options.sort === undefined ? sorted.slice(-limit) : sorted.slice(0, limit);
  if (options.json)
    return context.print(
      JSON.stringify(
        shown.map(({ values }) => Object.fromEntries(values)),
        undefined,
        2,
      ),
    );
  const cells = options.compare ? await comparison(shown) : await listed(shown, columns);
  if (options.csv) return context.write(csv(cells));
  const text = cells.map((row) => row.map(cellText));
  const isNumber = (column: number): boolean => cells.slice(1).some((row) => typeof row[column] === 'number');
  context.print(table(text[0], text.slice(1), { right: [...text[0].keys()].filter((column) => isNumber(column)) }));
  if (shown.length < all.length) context.note(`${shown.length} of ${all.length} runs.`);
}

async function read(context: CommandContext, folders: readonly string[]): Promise<QueriedRun[]> {
  const { findRuns, readRun, runNumbers } = await import('@graft/report');
  const { GraftError, UsageError } = await import('@graft/core');
  const paths: string[] = [];
  for (const folder of folders) {
    const found = await findRuns(folder);
    if (found.length === 0)
      throw new UsageError(`There is no run in ${folder}.`, {
        code: 'runs.none',
        hint: 'Name the folder of all runs (`runs` in a config), of a name, or of a run.',
      });
    paths.push(...found);
  }
  const all: QueriedRun[] = [];
  for (const path of new Set(paths)) {
    try {
      const run = await readRun(path);
      all.push(queriedRun(run, runNumbers(run)));
    } catch (error) {
      if (!(error instanceof GraftError)) throw error;
      context.warn(`Left out: ${error.message}`);
      context.exitCode = 1;
    }
  }
  return all;
}

type Cell = unknown;

/** The head and a row for each run. */
async function listed(shown: readonly QueriedRun[], columns: readonly string[] | undefined): Promise<Cell[][]> {
  const keys = columns ?? ['steps', 'seconds', ...(await usualMetrics(shown))];
  const head = ['run', 'status', ...keys];
  return [head, ...shown.map(({ values }) => head.map((key) => values.get(key)))];
}

async function usualMetrics(shown: readonly QueriedRun[]): Promise<string[]> {
  const { betterOf } = await import('@graft/report');
  const keys = [...new Set(shown.flatMap(({ values }) => [...values.keys()]))];
  const evaluated = keys.filter((key) => key.includes('/') && betterOf(key) !== undefined);
  return ['loss', ...evaluated.slice(0, USUAL_METRICS)];
}

/** The head and a row for each key: of the configs where they differ, and all numbers. */
async function comparison(shown: readonly QueriedRun[]): Promise<Cell[][]> {
  const { differingKeys } = await import('@graft/core');
  const { runNumbers } = await import('@graft/report');
  const differing = differingKeys(shown.map(({ run }) => run.config));
  const numbers = [...new Set(shown.flatMap(({ run }) => Object.keys(runNumbers(run))))];
  return [
    ['', ...shown.map(({ run }) => run.title)],
    ['status', ...shown.map(({ run }) => run.record.status)],
    ...differing.map(({ path, values }) => [path, ...values.map((value) => value?.replace(/^"|"$/g, ''))]),
    ...numbers.map((key) => [key, ...shown.map(({ values }) => values.get(key))]),
  ];
}

function cellText(value: Cell): string {
  if (value === undefined || value === null) return '';
  // Counts whole, and no zeros that nobody wrote: 0.01, not 0.01000.
  if (typeof value === 'number') return String(Number(numberText(value)));
  return typeof value === 'string' ? value.replace(/\s+/g, ' ') : JSON.stringify(value);
}
