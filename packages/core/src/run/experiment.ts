import { openEngine, UsageError, type Engine, type WorkerGroup } from '@graft/engine';
import { messageOf } from '@graft/errors';
import { createComponentFactory } from '../components/factory';
import type { LoadedExperiment, LoadedTraining, TrainingConfig } from '../config';
import { checkWorkerOptions, joinGroup, type WorkerOptions } from '../distributed/group';
import type { RunInfo } from '../interfaces';
import { createRandom } from '../random/streams';
import { redact } from '../secrets/redact';
import type { TrainingResult } from '../training/loop-types';
import { Trackers } from '../training/trackers';
import { discreetLogger, silentLogger, type Logger } from '../util/logger';
import { watchCalls } from '../util/pending';
import { checkResumePoint, goBackToLastGood } from './check-resume-point';
import type { RunFolder } from './folder';
import { LogFile } from './log-file';
import { findResumableRun } from './reader';
import { withRecordedEngine } from './recorded-engine';
import { meshSize } from './create-placement';
import { refuseChanges, wantsResume } from './resume';
import { configFacts } from './run-info';
import { RunSession } from './session';
import { findTokenizerFolders } from './tokenizer-files';
import { prepareTrainer } from './trainer';
import { withTrainingSteps } from './training-steps';

/** Options of `runExperiment`. */
export interface RunOptions {
  /** true: the newest unfinished run of that name; a string: the run with that id. */
  resume?: boolean | string;
  /** With `resume`: go back to the newest checkpoint that is complete, to the last byte, and set newer ones aside. */
  fromLastGood?: boolean;
  /** Aborting it makes the run finish its step, save and stop; see `withInterrupt`. */
  signal?: AbortSignal;
  /** An engine that is already open. Default: opens the one in the config. */
  engine?: Engine;
  /** Threads of the engine if the config does not set a number. Default: the number of cores. */
  threads?: number;
  /** The processes that train together; each of them calls this function. Default: this process alone. */
  workers?: WorkerOptions;
  /** Default: silent. */
  logger?: Logger;
  /** Renders the report of a run's folder as one HTML page, which trackers may keep. `@graft/report` has one. */
  report?: (folder: string) => Promise<string>;
  /** Show only warnings, and no progress. Default: true if there is no logger. */
  quiet?: boolean;
  /** Called after each step with the object that the run appends to metrics.jsonl. */
  onStep?: (step: number, metrics: Readonly<Record<string, number>>) => void;
}

/** How a run ended, and where its folder is. */
export interface RunResult extends TrainingResult {
  /** Steps of the whole run, as its config asks for. */
  readonly totalSteps: number;
  readonly id: string;
  readonly folder: string;
}

/**
 * Runs or resumes an experiment, and leaves its run folder. Frees everything that it made. Throws GraftErrors; a run
 * that fails during setup leaves no folder, and run.json marks one that fails later as `failed`.
 */
export async function runExperiment(written: LoadedExperiment, options: RunOptions = {}): Promise<RunResult> {
  const { workers } = options;
  // Before opening an engine: these checks are the quickest.
  if (workers) checkWorkerOptions(workers);
  const given = await withTrainingSteps(written, options);
  const found = wantsResume(options.resume) && !workers?.rank ? await findRun(given.config, options) : undefined;
  // Workers must agree, and the others do not see the run's folder.
  const loaded = await withRecordedEngine(given, workers ? undefined : found);
  const { config } = loaded;
  const { threads = options.threads, ...engineOptions } = config.engine;
  const { precision, mesh } = config.train;
  const engine =
    options.engine ?? (await openEngine({ ...engineOptions, threads, precision, devices: meshSize(mesh) }));
  const group = workers && (await joinGroup(engine, config, workers, options.logger ?? silentLogger()));
  const stopWatching = watchCalls(config.train.loader.warnAfterSeconds, (text) => options.logger?.warn(text));
  try {
    const result = group?.rank
      ? await runWorker(loaded, options, engine, group)
      : await runCoordinator(loaded, options, engine, found, group);
    await group?.leave();
    return result;
  } catch (error) {
    await group?.fail(redact(messageOf(error)));
    throw error;
  } finally {
    stopWatching();
  }
}

/** What worker 0 sends to the others about the run. */
interface RunAnnouncement {
  readonly name: string;
  readonly id: string;
  readonly folder: string;
  readonly recorded?: RunInfo['recorded'];
}

/** The only process of a run, or worker 0. */
async function runCoordinator(
  { config, registry, stepsNote }: LoadedTraining,
  options: RunOptions,
  engine: Engine,
  found: RunFolder | undefined,
  group: WorkerGroup | undefined,
): Promise<RunResult> {
  const log = new LogFile();
  const logger = log.tee(discreetLogger(options.logger ?? silentLogger()));
  const quiet = options.quiet ?? options.logger === undefined;
  const session = await RunSession.open({
    config,
    registry,
    engine,
    logger,
    log,
    quiet,
    name: config.name,
    found,
    checkResumable: (folder) => checkResumable(config, folder),
    report: options.report,
  });
  const { folder, random } = session;
  try {
    session.announce();
    if (stepsNote !== undefined) session.say(stepsNote);
    if (group) session.say(`Workers: ${group.count}, this is worker 0 (${group.addresses[0]})`);
    if (found) await (options.fromLastGood ? goBackToLastGood : checkResumePoint)(found, config, logger);
    const run = await session.describe();
    const { name, id, folder: path, recorded } = run;
    await group?.exchange<RunAnnouncement | null>({ name, id, folder: path, recorded });
    const components = session.components(run);
    const trackers = await session.createTrackers(components);
    const shared = { config, registry, engine, group, run, random, components, trackers, logger, quiet };
    const trainer = await prepareTrainer({ ...shared, folder, signal: options.signal, onStep: options.onStep });
    try {
      for (const line of trainer.summary) session.say(line);
      await session.begin({ model: trainer.model, run: trainer.run, trackers, workers: group?.count });
      const result = await trainer.loop.run();
      await group?.exchange(result.status);
      await session.finish(result.status, { steps: result.steps, stopped: result.stopped });
      return { ...result, totalSteps: config.train.steps, id, folder: path };
    } finally {
      await trainer.dispose();
    }
  } catch (error) {
    await session.fail(error);
    throw error;
  } finally {
    await session.release();
  }
}

/** Any other worker: it computes, and writes nothing. */
async function runWorker(
  { config, registry }: LoadedTraining,
  options: RunOptions,
  engine: Engine,
  group: WorkerGroup,
): Promise<RunResult> {
  const logger = discreetLogger(options.logger ?? silentLogger());
  const [announced] = await group.exchange<RunAnnouncement | null>(null);
  // Each worker reads the checkpoint that it finds under the paths of the config.
  const tokenizerFolders = await findTokenizerFolders(config, registry);
  const run: RunInfo = { tokenizerFolders, ...announced!, ...configFacts(config) };
  const random = createRandom(config.seed);
  const components = createComponentFactory(registry, { engine, random, logger, run });
  const quiet = options.quiet ?? options.logger === undefined;
  if (!quiet)
    logger.info(
      `Worker ${group.rank} of ${group.count} (${group.addresses[group.rank]}), run ${run.folder} of worker 0`,
    );
  const trainer = await prepareTrainer({
    config: { ...config, evaluators: [], callbacks: [] },
    registry,
    engine,
    group,
    run,
    random,
    components,
    trackers: new Trackers([], logger),
    logger,
    quiet: true,
    signal: options.signal,
    onStep: options.onStep,
  });
  try {
    const result = await trainer.loop.run();
    const [status] = await group.exchange(result.status);
    return { ...result, status, totalSteps: config.train.steps, id: run.id, folder: run.folder };
  } finally {
    await trainer.dispose();
  }
}

async function findRun(config: TrainingConfig, { resume, logger }: RunOptions): Promise<RunFolder> {
  const found = await findResumableRun({
    runs: config.runs,
    name: config.name,
    id: resume === true ? undefined : (resume as string),
    steps: config.train.steps,
    warn: (sentence) => logger?.warn(sentence),
  });
  await checkResumable(config, found);
  return found;
}

async function checkResumable(config: TrainingConfig, found: RunFolder): Promise<void> {
  await refuseChanges(config, found);
  if (found.record.status === 'finished' && found.record.steps >= config.train.steps) {
    throw new UsageError(`The run ${found.path} is finished: it has done its ${found.record.steps} steps.`, {
      code: 'run.finished',
      hint: 'Raise train.steps (or tokens, or epochs) to continue it.',
    });
  }
}
