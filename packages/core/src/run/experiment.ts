import { recordFile } from '@graft/checkpoint';
import {
  elementCount,
  ConfigError,
  messageOf,
  openEngine,
  UsageError,
  type Engine,
  type TensorSpec,
  type WorkerGroup,
} from '@graft/engine';
import { nameComponent } from '../components/calls';
import { createComponentFactory } from '../components/factory';
import type { ComponentFactory, Dataset, Model, Objective, OptimizerState, RunInfo } from '../interfaces';
import { evaluatorSection, type ExperimentConfig, type LoadedExperiment } from '../config';
import { discreetLogger, silentLogger, type Logger } from '../util/logger';
import { checkModelKind } from '../training/model-kind';
import { createRandom, STREAMS, type RandomStream } from '../random/streams';
import { describeSpecialTokens, specialTokenPolicy, storedSpecialTokens, tokenizerClash } from '../data/special-tokens';
import type { NamedEvaluator } from '../evaluation/evaluations';
import { ThreadedDataset } from '../data/threads/dataset';
import { checkSource } from '../data/loader';
import { TrainingLoop } from '../training/loop';
import type { TrainingParts, TrainingResult } from '../training/loop-types';
import { loadWarning } from '../training/memory';
import { Interrupted, unlessStuck, watchCalls } from '../util/pending';
import { Trackers } from '../training/trackers';
import type { Registry } from '../components/registry';
import { literalSecretsWarning } from '../secrets/mask';
import { configFacts } from './run-info';
import { redact } from '../secrets/redact';
import { RunFolder } from './folder';
import { checkWorkerOptions, compareFiles, joinGroup, type WorkerOptions } from '../distributed/group';
import { ResourceScope } from './resource-scope';
import { countParameters } from './parameters';
import { refuseChanges, wantsResume } from './resume';
import { checkResumePoint, goBackToLastGood } from './resume-point';
import { recordFailure } from './failure';
import { findStart } from './start';
import { findRecord, findTokenizerFiles } from './tokenizer-files';
import { versions } from './versions';

export interface RunOptions {
  /** true: the newest unfinished run of that name; a text: the run of that id. */
  resume?: boolean | string;
  /** With `resume`: go back to the newest checkpoint that is whole, to the last byte, and set newer ones aside. */
  fromLastGood?: boolean;
  /** Aborting it makes the run finish its step, save and stop; see `withInterrupt`. */
  signal?: AbortSignal;
  /** An engine opened before; default: one opened as the config says. */
  engine?: Engine;
  /** Threads of the engine where the config names no number. Default: the cores. */
  threads?: number;
  /** The processes that train together, each of which calls this. Default: this one alone. */
  workers?: WorkerOptions;
  /** Default: silent. */
  logger?: Logger;
  /** No progress, no lines but warnings. Default: true when there is no logger. */
  quiet?: boolean;
  /** Called after each step with the object that went to metrics.jsonl. */
  onStep?: (step: number, metrics: Readonly<Record<string, number>>) => void;
}

export interface RunResult extends TrainingResult {
  readonly id: string;
  readonly folder: string;
}

/**
 * Runs an experiment, or goes on with one, and leaves its run folder. Frees everything that it made. Throws GraftErrors;
 * a run that fails while being set up leaves no folder, one that fails later is `failed` in its run.json.
 */
export async function runExperiment(loaded: LoadedExperiment, options: RunOptions = {}): Promise<RunResult> {
  const { config } = loaded;
  const { workers } = options;
  // Before an engine is opened: these are the quickest to know.
  if (workers) checkWorkerOptions(workers);
  const found = wantsResume(options.resume) && !workers?.rank ? await findRun(config, options) : undefined;
  const { threads = options.threads, ...engineOptions } = config.engine;
  const engine = options.engine ?? (await openEngine({ ...engineOptions, threads, precision: config.train.precision }));
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

/** What worker 0 tells the others of the run. */
interface RunAnnouncement {
  readonly name: string;
  readonly id: string;
  readonly folder: string;
  readonly recorded?: RunInfo['recorded'];
}

/** A run's only process, or worker 0. */
async function runCoordinator(
  { config, registry }: LoadedExperiment,
  options: RunOptions,
  engine: Engine,
  found: RunFolder | undefined,
  group: WorkerGroup | undefined,
): Promise<RunResult> {
  const logger = discreetLogger(options.logger ?? silentLogger());
  const quiet = options.quiet ?? options.logger === undefined;
  const say = (text: string): void => (quiet ? undefined : logger.info(text));
  const written = { ...config, versions: versions(engine) };
  const folder = found ?? (await RunFolder.create(config.runs, config.name, written));
  // Half a minute of silence is more than `quiet` asks for.
  const onWatch = (text: string): void => logger.warn(text);
  if (found) await found.claim({ check: () => checkResumable(config, found), onWatch });
  let trackers: Trackers | undefined;
  try {
    say(`${found ? 'Resuming' : 'Run'} ${folder.path}`);
    say(`Engine: ${engine.description}`);
    if (engine.fallbackReason && !quiet)
      logger.warn(`${engine.fallbackReason} Going on with the portable engine, which is much slower.`);
    const literal = literalSecretsWarning(config);
    if (literal) logger.warn(literal);
    if (group) say(`Workers: ${group.count}, this is worker 0 (${group.addresses[0]})`);
    if (found) await (options.fromLastGood ? goBackToLastGood : checkResumePoint)(found, config, logger);
    const recorded = await findRecord(config, registry, folder.checkpoints);
    const run = { ...folder.info(configFacts(config)), recorded };
    await group?.exchange<RunAnnouncement | null>({ name: run.name, id: run.id, folder: run.folder, recorded });
    const random = createRandom(config.seed);
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const own = await Promise.all(
      config.trackers.map(async (spec) => ({ name: spec.use, tracker: await components.create('tracker', spec) })),
    );
    const trainer = await prepared({
      config,
      components,
      registry,
      engine,
      group,
      folder,
      run,
      random,
      trackers: new Trackers(own, logger),
      logger,
      quiet,
      options,
    });
    try {
      for (const line of trainer.summary) say(line);
      // Only now is it a run that others should find.
      if (found) await folder.writeConfig(written);
      const { parameters } = trainer;
      await folder.update({
        engine: engine.description,
        versions: written.versions,
        parameters,
        specialTokens: storedSpecialTokens(trainer.model),
        workers: group?.count,
      });
      await folder.beginAsLatest();
      trackers = trainer.trackers;
      await trackers.start(run);
      const result = await trainer.loop.run();
      await group?.exchange(result.status);
      await folder.update({ status: result.status, steps: result.steps });
      await trackers.finish(result.status);
      return { ...result, id: folder.record.id, folder: folder.path };
    } finally {
      await trainer.dispose();
    }
  } catch (error) {
    const began = found !== undefined || trackers !== undefined;
    await recordFailure(error, { folder, began, trackers });
    throw error;
  } finally {
    await folder.release();
  }
}

/** Any other worker: it computes, and leaves no trace. */
async function runWorker(
  { config, registry }: LoadedExperiment,
  options: RunOptions,
  engine: Engine,
  group: WorkerGroup,
): Promise<RunResult> {
  const logger = discreetLogger(options.logger ?? silentLogger());
  const [announced] = await group.exchange<RunAnnouncement | null>(null);
  const run: RunInfo = { ...announced!, ...configFacts(config) };
  const random = createRandom(config.seed);
  const components = createComponentFactory(registry, { engine, random, logger, run });
  const trackers = new Trackers([], logger);
  const quiet = options.quiet ?? options.logger === undefined;
  if (!quiet)
    logger.info(
      `Worker ${group.rank} of ${group.count} (${group.addresses[group.rank]}), run ${run.folder} of worker 0`,
    );
  const trainer = await prepared({
    config: { ...config, evaluators: [], callbacks: [] },
    components,
    registry,
    engine,
    group,
    run,
    random,
    trackers,
    logger,
    quiet: true,
    options,
  });
  try {
    const result = await trainer.loop.run();
    const [status] = await group.exchange(result.status);
    return { ...result, status, id: run.id, folder: run.folder };
  } finally {
    await trainer.dispose();
  }
}

async function findRun(config: ExperimentConfig, { resume, logger }: RunOptions): Promise<RunFolder> {
  const found = await RunFolder.find(config.runs, config.name, resume === true ? undefined : (resume as string), {
    steps: config.train.steps,
    warn: (sentence) => logger?.warn(sentence),
  });
  await checkResumable(config, found);
  return found;
}

async function checkResumable(config: ExperimentConfig, found: RunFolder): Promise<void> {
  await refuseChanges(config, found);
  if (found.record.status === 'finished' && found.record.steps >= config.train.steps) {
    throw new UsageError(`The run ${found.path} is finished: it has done its ${found.record.steps} steps.`, {
      code: 'run.finished',
      hint: 'Raise train.steps to go on with it.',
    });
  }
}

/** Now rather than at the first step. Ready batches tell their size only then. */
function checkBatchSize({ train: { batchSize, microBatches } }: ExperimentConfig, workers: number): void {
  if (batchSize % (workers * microBatches) === 0) return;
  const parts = microBatches > 1 ? `${workers} workers with ${microBatches} micro-batches each` : `${workers} workers`;
  throw new ConfigError(`train.batchSize is ${batchSize}, which ${parts} cannot share out evenly.`, {
    code: 'workers.batch-size',
    hint: `Make it a multiple of ${workers * microBatches}.`,
  });
}

/** How much of the optimizer's state this worker keeps. */
function stateHere(all: readonly TensorSpec[], own: OptimizerState): string {
  const bytes = (tensors: readonly TensorSpec[]): number =>
    tensors.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
  return `${bytes(Object.values(own)).toLocaleString('en')} of ${bytes(all).toLocaleString('en')} bytes here`;
}

interface TrainerRequest {
  readonly config: ExperimentConfig;
  readonly components: ComponentFactory;
  readonly registry: Registry;
  readonly engine: Engine;
  readonly group?: WorkerGroup;
  /** Of worker 0, who alone writes. */
  readonly folder?: RunFolder;
  readonly run: RunInfo;
  readonly random: RandomStream;
  readonly trackers: Trackers;
  readonly logger: Logger;
  readonly quiet: boolean;
  readonly options: RunOptions;
}

interface Trainer {
  readonly loop: TrainingLoop;
  readonly model: Model;
  readonly trackers: Trackers;
  /** Parameters of the model. */
  readonly parameters: number;
  /** For the log. */
  readonly summary: readonly string[];
  dispose(): Promise<void>;
}

/** `prepare`, but not for longer than the user wants where it hangs in a dataset. */
async function prepared(job: TrainerRequest): Promise<Trainer> {
  const trainer = prepare(job);
  return unlessStuck(trainer, job.options.signal).catch((error: unknown) => {
    if (error instanceof Interrupted) void trainer.then((late) => late.dispose()).catch(() => undefined);
    throw error;
  });
}

/** Everything up to the first step; what it made goes again when it throws. */
async function prepare(job: TrainerRequest): Promise<Trainer> {
  const { config, registry, engine, folder, random, group, logger } = job;
  const owned = new ResourceScope(logger);
  const names = {
    dataset: `dataset "${config.dataset.use}"`,
    objective: `objective "${config.objective.use}"`,
  };
  try {
    const family = await job.components.create('model', config.model);
    const starting = { config, components: job.components, random, group, checkpoints: folder?.checkpoints };
    const { model, withoutPolicy, begin } = await findStart(starting, family);
    // Data sets end texts by it, evaluators' too.
    const run = { ...job.run, specialTokens: specialTokenPolicy(model) };
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const objective = owned.add(names.objective, await components.create('objective', config.objective));
    const dataset = owned.add(names.dataset, await openDataset({ ...job, run, components }, objective.variants));
    checkSource(dataset, objective, names);
    if (group && dataset.kind === 'examples') checkBatchSize(config, group.count);
    if (group) await compareFiles(group, objective);
    const optimizer = await components.create('optimizer', config.optimizer);
    const evaluators: NamedEvaluator[] = [];
    for (const section of config.evaluators) {
      const { name, every, component } = evaluatorSection(section);
      const evaluator = owned.add(`evaluator "${name}"`, await components.create('evaluator', component));
      evaluators.push({ name, every, evaluator });
    }
    checkModelKind(model, objective);
    const clash = tokenizerClash(dataset.tokenizer, model);
    if (folder && clash !== undefined) logger.warn(clash);
    const settled = objective.settle?.({ model, tokenizer: dataset.tokenizer });
    // Of several workers the first one reports.
    if (folder) for (const warning of settled?.warnings ?? []) logger.warn(warning);
    const tight = loadWarning(model, config.train.averageDecay !== undefined);
    if (tight) logger.warn(tight);
    const parts: TrainingParts = {
      engine,
      model,
      objective,
      optimizer,
      schedule: await components.create('schedule', config.schedule),
      dataset,
      evaluators,
      trackers: job.trackers,
      callbacks: await Promise.all(
        config.callbacks.map(async (spec) => ({ name: spec.use, callback: await components.create('callback', spec) })),
      ),
    };
    const extraFiles = folder && {
      ...(await findTokenizerFiles(config, registry, folder.checkpoints)),
      ...recordFile({ ...run.recorded, ...settled?.record }),
    };
    const start = await begin(parts);
    const unrecorded = Object.keys(settled?.record ?? {}).filter(
      (section) => !Object.hasOwn(run.recorded ?? {}, section),
    );
    if (folder && start.step > 0 && unrecorded.length > 0)
      logger.warn(
        `The checkpoint after step ${start.step} does not say what it was trained with ("${unrecorded.join('", "')}" in graft.json): see that it was what is chosen now.`,
      );
    const streams = {
      data: random.fork(STREAMS.data),
      dropout: random.fork(STREAMS.dropout),
      sampling: random.fork(STREAMS.sampling),
    };
    const { signal, onStep } = job.options;
    const { workers } = start;
    const context = {
      sink: folder,
      extraFiles,
      run,
      random: streams,
      logger,
      quiet: job.quiet,
      signal,
      workers,
      onStep,
    };
    const loop = new TrainingLoop(parts, { seed: config.seed, ...config.train }, context, start);
    owned.add('the training state', loop);
    const count = countParameters(model);
    const from = start.step > 0 ? `, going on after step ${start.step}` : '';
    const shared = workers?.sharded && `, optimizer state ${stateHere(workers.sharded.state, start.state)}`;
    const earlier =
      'This run began before there was a policy for special tokens; ' +
      (model.specialTokens.policy
        ? 'it goes on with those it began with.'
        : 'its model family takes none, so that it goes on as `auto` says.');
    const summary = [
      `Model: ${model.kind}, ${count.toLocaleString('en')} parameters${shared ?? ''}${from}`,
      describeSpecialTokens(model),
      ...(withoutPolicy ? [earlier] : []),
      ...(settled?.notes ?? []),
    ];
    return {
      loop,
      model,
      trackers: job.trackers,
      parameters: count,
      summary,
      dispose: () => owned.dispose(signal?.aborted),
    };
  } catch (error) {
    await owned.dispose();
    throw error;
  }
}

/** The training data, in threads of their own where the config wants that and they can be. */
async function openDataset(
  { config, components, registry, run, logger, quiet }: TrainerRequest,
  variants: Objective['variants'],
): Promise<Dataset> {
  const { threads, batchesAhead } = config.train.loader;
  if (threads > 0) {
    const { dataset, seed } = config;
    const wanted = { registry, dataset, seed, run, logger, variants };
    const opened = await ThreadedDataset.open({ ...wanted, threads, batchesAhead });
    if (opened instanceof ThreadedDataset) {
      const { plugin, definition } = registry.find('dataset', dataset.use);
      nameComponent(opened, `dataset "${plugin}/${definition.id}"`);
      return opened;
    }
    const made = await components.create('dataset', config.dataset);
    if (!quiet) logger.info(`Data are made between the steps, not in a thread of their own: ${opened.refused}`);
    return made;
  }
  return components.create('dataset', config.dataset);
}
