import type { Command } from 'commander';
import { availableParallelism } from 'node:os';
import { openLogger, type CommandContext } from './shared/context';
import { LocalWorkers, secretOfWorker0 } from '../workers/local-workers';
import { deviceOption, engineOption, integer } from './shared/options';
import { reportOf } from './shared/report-of';
import { dryRunLines } from '../output/dry-run';
import {
  configBeforeResume,
  interruptible,
  loadRunnable,
  noteInterrupted,
  resumeOption,
  setOption,
  type ResumableOptions,
} from './shared/runnable';
import { CommandLineError } from '../output/command-line-error';
import { takeSecretVariable, workerSecret } from '../workers/worker-secret';
import type { WorkerOptions } from '@graft/core';

interface RunCommandOptions extends ResumableOptions {
  dryRun?: boolean;
  fromLastGood?: boolean;
  workers?: string;
  rank?: number;
  localWorkers?: number;
  workerTimeout?: number;
  workerSecretFile?: string;
  insecureNetwork?: boolean;
}

export function addRunCommand(program: Command, context: CommandContext): void {
  program
    .command('run')
    .description('run or resume an experiment; prints the folder of the run')
    .argument('[config]', 'yaml, json, ts or js file (default: graft.config.* in this folder or above)')
    .addOption(setOption('train.steps=100'))
    .addOption(resumeOption('run'))
    .option(
      '--from-last-good',
      'with --resume: check every byte of the checkpoints, resume from the newest undamaged one, and set newer ones aside',
    )
    .option(
      '--dry-run',
      'make the components, read the first batch and estimate the memory of training, without weights and without a run folder',
    )
    .addOption(engineOption())
    .addOption(deviceOption())
    .option(
      '--workers <list>',
      'train together with other processes: host:port of all workers, comma-separated, in the order of their ranks',
    )
    .option(
      '--rank <number>',
      'with --workers: rank of this process, from 0; worker 0 writes the run folder',
      integer(0),
    )
    .option('--local-workers <number>', 'start this many worker processes on this machine', integer(1))
    .option('--worker-timeout <seconds>', 'how long to wait for the other workers to join (default: 300)', integer(1))
    .option(
      '--worker-secret-file <file>',
      'with --workers: a file that only you can read, with the secret that all workers share (default: GRAFT_WORKER_SECRET)',
    )
    .option(
      '--insecure-network',
      "with --workers: consent to TensorFlow's server, which listens on all interfaces without authentication",
    )
    .addHelpText(
      'after',
      '\nCtrl-C finishes the step, saves a checkpoint and stops with status 130; --resume continues from there.',
    )
    .action((config: string | undefined, options: RunCommandOptions) =>
      runConfig(context, ...configBeforeResume(config, options)),
    );
}

async function runConfig(context: CommandContext, file: string | undefined, options: RunCommandOptions): Promise<void> {
  const variable = takeSecretVariable();
  checkWorkerOptions(options);
  if (options.dryRun) return printDryRun(context, file, options);
  // TensorFlow prints a page about each broken connection; the resulting error states it in one sentence.
  if (options.insecureNetwork && !context.globals.debug) process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  const group = await workersOf(options, variable);
  const { loadConfig, runExperiment } = await import('@graft/core');
  const loaded = await loadRunnable(loadConfig, context, file, options);
  const { config } = loaded;
  const logger = await openLogger(context);
  const local = await startLocalWorkers(context, file, options, config.engine.threads);
  const { addresses, secret, ended } = local ?? {};
  const workers = local ? { addresses: addresses!, secret: secret!, rank: 0, local: true, signal: ended } : group;
  let outcome: 'done' | 'failed' = 'failed';
  try {
    const result = await interruptible(context, 'Stopping after this step, with a checkpoint', (signal) =>
      runExperiment(loaded, {
        resume: options.resume,
        fromLastGood: options.fromLastGood,
        signal,
        logger,
        report: reportOf,
        quiet: context.globals.quiet ?? false,
        threads: local && threadsEach(options.localWorkers!),
        workers: workers && { ...workers, timeoutMs: options.workerTimeout && options.workerTimeout * 1000 },
      }),
    );
    if (result.status === 'interrupted')
      noteInterrupted(
        context,
        `Stopped at step ${result.steps} of ${result.totalSteps}; continue with --resume ${result.id}.`,
      );
    // Of the others' folder nothing is known here: it may be on another machine.
    if (!workers?.rank) context.print(result.folder);
    outcome = 'done';
  } finally {
    await local?.close(outcome);
  }
}

async function printDryRun(
  context: CommandContext,
  file: string | undefined,
  options: RunCommandOptions,
): Promise<void> {
  const { dryRun, loadConfig } = await import('@graft/core');
  const loaded = await loadRunnable(loadConfig, context, file, options);
  const found = await dryRun(loaded, { logger: await openLogger(context) });
  for (const line of dryRunLines(found, loaded.config)) context.print(line);
}

function checkWorkerOptions(options: RunCommandOptions): void {
  const { workers, rank, localWorkers, dryRun, resume } = options;
  if (dryRun && (resume !== undefined || workers !== undefined || localWorkers !== undefined))
    throw new CommandLineError('--dry-run looks at what a new run would do; give it without --resume and workers.');
  if (options.fromLastGood && options.resume === undefined)
    throw new CommandLineError('--from-last-good belongs to --resume: it says from which checkpoint a run continues.');
  if (workers !== undefined && localWorkers !== undefined)
    throw new CommandLineError('--local-workers starts a group of its own; give it, or --workers with --rank.');
  if ((workers === undefined) !== (rank === undefined))
    throw new CommandLineError(
      '--workers and --rank belong together: the list of all, and the place of this one in it.',
    );
  const [odd] = (['workerSecretFile', 'insecureNetwork'] as const).filter((name) => options[name] !== undefined);
  if (odd !== undefined && workers === undefined) {
    const flag = odd === 'insecureNetwork' ? '--insecure-network' : '--worker-secret-file';
    throw new CommandLineError(`${flag} belongs to --workers; workers of one machine (--local-workers) need none.`);
  }
}

async function workersOf(
  { workers, rank, insecureNetwork, workerSecretFile }: RunCommandOptions,
  variable: string | undefined,
): Promise<WorkerOptions | undefined> {
  if (workers === undefined) return undefined;
  const addresses = workers.split(',').map((address) => address.trim());
  const given = await secretOfWorker0();
  if (given !== undefined) return { addresses, rank: rank!, secret: given, local: true };
  // Before requesting the secret: the user must first learn what is exposed.
  const secret = insecureNetwork ? await workerSecret(workerSecretFile, variable) : '';
  return { addresses, rank: rank!, secret, insecureNetwork };
}

/** So that workers on one machine do not compete for its cores. */
const threadsEach = (count: number): number => Math.max(1, Math.floor(availableParallelism() / count));

async function startLocalWorkers(
  context: CommandContext,
  file: string | undefined,
  { localWorkers: count = 1, set = [], engine, device }: RunCommandOptions,
  threads: number | undefined,
): Promise<LocalWorkers | undefined> {
  if (count === 1) return undefined;
  const overrides = threads === undefined ? [`engine.threads=${threadsEach(count)}`, ...set] : set;
  return LocalWorkers.start({
    count,
    arguments: [
      ...(context.globals.debug ? ['--debug'] : ['--quiet']),
      'run',
      ...(file === undefined ? [] : [file]),
      ...overrides.flatMap((override) => ['--set', override]),
      ...(engine === undefined ? [] : ['--engine', engine]),
      ...(device === undefined ? [] : ['--device', device]),
    ],
    onLine: (line) => context.note(line),
  });
}
