import type { Sweep, TrialsEnd } from '@graft/core';
import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { defaultPlugins } from '../default-plugins';
import { CommandLineError } from '../output/command-line-error';
import { Progress } from '../sweep/progress';
import { betterIn, foundRuns, ResultReader, resultsJson, writeResults, type SweepResults } from '../sweep/results';
import { sweepTable } from '../sweep/sweep-table';
import { countLine, printTrials } from '../sweep/trial-list';
import { runTrialProcess } from '../sweep/trial-process';
import type { CommandContext } from './shared/context';
import { deviceOption, engineOption, integer, type EngineCommandOptions } from './shared/options';
import { interruptible, noteInterrupted, setOption, withEngineOptions } from './shared/runnable';

interface SweepCommandOptions extends EngineCommandOptions {
  readonly set?: readonly string[];
  readonly parallel: number;
  readonly dryRun?: boolean;
  readonly table?: boolean;
  readonly json?: boolean;
  readonly schema?: boolean;
}

export function addSweepCommand(program: Command, context: CommandContext): void {
  program
    .command('sweep')
    .description('run a config with many settings and seeds, and print a table; finished trials are skipped')
    .argument('[file]', 'yaml, json, ts or js file that says what varies')
    .option('--parallel <number>', 'trials that run at a time, which share threads and memory', integer(1), 1)
    .addOption(setOption('train.steps=100'))
    .addOption(engineOption())
    .addOption(deviceOption())
    .option('--dry-run', 'check the configs of all trials and list them, with what has become of each so far')
    .option('--table', 'print the table of the trials that are finished, and run none')
    .option('--json', 'print the table, or with --dry-run the list, as JSON')
    .option('--schema', 'print the JSON Schema of sweep files, for editors; needs no file')
    .addHelpText(
      'after',
      '\nCtrl-C saves a checkpoint of every trial that runs and stops with status 130; the same command goes on from there.',
    )
    .action(async (file: string | undefined, options: SweepCommandOptions) => {
      const { dryRun, table, schema } = options;
      const given = Object.entries({ 'dry-run': dryRun, table, schema }).flatMap(([name, isSet]) =>
        isSet ? name : [],
      );
      if (given.length > 1) throw new CommandLineError(`Give --${given[0]} or --${given[1]}, not both.`);
      if (schema) {
        const { sweepJsonSchema } = await import('@graft/core');
        return context.print(JSON.stringify(sweepJsonSchema(), undefined, 2));
      }
      if (file === undefined) throw new CommandLineError("Name the sweep's file, or give --schema.");
      const sweep = await load(context, file, options);
      if (options.dryRun) return printTrials(context, sweep, options);
      if (options.table) return printTable(context, sweep, await resultsOf(sweep, context), options);
      await runSweep(context, sweep, options);
    });
}

async function load(
  context: CommandContext,
  file: string,
  { set, engine, device }: SweepCommandOptions,
): Promise<Sweep> {
  const { loadConfig, loadEvaluationConfig, loadSweep } = await import('@graft/core');
  return loadSweep({
    file,
    overrides: set,
    plugins: defaultPlugins,
    onCode: context.noteCode,
    load: async (options) => withEngineOptions(await loadConfig(options), { engine, device }),
    loadEvaluation: async (options) => withEngineOptions(await loadEvaluationConfig(options), { engine, device }),
  });
}

const resultsOf = async (sweep: Sweep, context: CommandContext): Promise<SweepResults> =>
  new ResultReader(sweep).read(await foundRuns(sweep, context));

async function runSweep(context: CommandContext, sweep: Sweep, options: SweepCommandOptions): Promise<void> {
  const { parallel, engine, device } = options;
  const { checkLatencies, dryRun, runTrials } = await import('@graft/core');
  const { availableMemory } = await import('@graft/core/internal');
  const { FolderLock, makeFolder } = await import('@graft/checkpoint/internal');
  const { expectedDevice } = await import('@graft/engine/internal');
  await makeFolder(sweep.runs);
  const lock = await FolderLock.acquire(sweep.runs, {
    what: `The sweep ${sweep.runs}`,
    code: 'sweep.busy',
    hint: 'Stop that process first (Ctrl-C makes it save), or give this sweep another name.',
  });
  try {
    const reader = new ResultReader(sweep);
    const found = await foundRuns(sweep, context);
    context.note(`Sweep ${sweep.runs}\n${countLine(sweep)}`);
    await checkLatencies(sweep, {
      onMeasured: ({ label }, seconds) => context.note(`${label}: latency ${(1000 * seconds).toFixed(1)} ms`),
    });
    const [{ loaded }] = sweep.trials;
    const expected = await expectedDevice({ ...loaded.config.engine, precision: loaded.config.train?.precision });
    const progress = new Progress(sweep, reader, context);
    const stopping =
      sweep.kind === 'training'
        ? 'Stopping every trial after its step, with a checkpoint'
        : 'Stopping every trial; finished evaluators keep their numbers';
    const end = await interruptible(context, stopping, (signal) =>
      runTrials(sweep.trials, {
        found,
        parallel,
        signal,
        threads: availableParallelism(),
        memory: expected === undefined || expected === 'cpu' ? MEMORY_SHARE * availableMemory() : undefined,
        needs: async (trial) => {
          // What an evaluation takes depends on its evaluators, which do not say.
          if (trial.kind === 'evaluation') return undefined;
          const estimate = await dryRun(trial.loaded).catch(() => undefined);
          return estimate && estimate.memory.total + PROCESS_BYTES;
        },
        start: async (trial, start) => {
          const ended = await runTrialProcess({
            ...{ ...start, trial, folder: sweep.folder },
            engine: { engine, device },
            sharesGpu: expected === 'cuda' || expected === 'rocm',
            onLine: context.globals.debug ? (line) => context.note(`[${progress.numberOf(trial)}] ${line}`) : undefined,
          });
          if (ended.status !== 'finished' || (await foundRuns(sweep)).get(trial.id)?.isFinished) return ended;
          return { status: 'failed', problem: CHANGED };
        },
        onEvent: async (event) => {
          await lock.check();
          await progress.report(event);
        },
      }),
    );
    const results = await reader.read(await foundRuns(sweep));
    await writeResults(sweep, results);
    await printTable(context, sweep, results, options);
    conclude(context, sweep, end);
  } finally {
    await lock.release();
  }
}

/** Of the memory that is free; the rest is for the system's caches and what estimates leave out. */
const MEMORY_SHARE = 0.9;
/** What a process takes besides the tensors of its training: Node, the native library, its compiler. */
const PROCESS_BYTES = 0.6 * 2 ** 30;

const CHANGED =
  'Its process ended well, but no finished run has the config that the sweep resolved. A config that is code, or reads the environment, must not change between two readings.';

async function printTable(
  context: CommandContext,
  sweep: Sweep,
  results: SweepResults,
  { json }: SweepCommandOptions,
): Promise<void> {
  if (json) return context.print(JSON.stringify(resultsJson(sweep, results), undefined, 2));
  const { text, notes } = await sweepTable(sweep, results.rows, await betterIn(sweep));
  context.print(text);
  for (const note of notes) context.print(note);
}

function conclude(context: CommandContext, sweep: Sweep, { failed, left, finished }: TrialsEnd): void {
  const all = failed.length + left.length + finished.length;
  if (left.length > 0)
    return noteInterrupted(
      context,
      `Stopped: ${finished.length} of ${all} trials are finished. The same command goes on.`,
    );
  if (failed.length > 0) {
    const labels = failed.map(({ label }) => label).join(', ');
    context.warn(`${failed.length} of ${all} trials failed: ${labels}. The same command tries them again.`);
    context.exitCode = 1;
  }
  context.note(`Runs, trials.csv, table.csv and table.json: ${sweep.runs}`);
}
