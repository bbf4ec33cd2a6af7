import { openEngine, tf, UsageError, type Engine } from '@graft/engine';
import { createComponentFactory, type ComponentFactory } from '../components';
import { evaluatorSection, type ExperimentConfig, type LoadedExperiment } from '../config';
import type {
  Dataset,
  Model,
  ModelFamily,
  Objective,
  Optimizer,
  OptimizerState,
  Parameters,
  RunInfo,
} from '../interfaces';
import { silentLogger, type Logger } from '../logger';
import { createRandom, STREAMS, type RandomStream } from '../random';
import type { NamedEvaluator } from '../training/evaluations';
import { ThreadedDataset } from '../training/data-threads';
import { checkSource } from '../training/loader';
import { TrainingLoop, type TrainingParts, type TrainingResult, type TrainingStart } from '../training/loop';
import { ParameterGroups } from '../training/parameter-groups';
import { findSnapshot, readAverage, readOptimizerState, readParameters } from '../training/snapshots';
import { Trackers } from '../training/trackers';
import type { Registry } from '../registry';
import { RunFolder } from './folder';
import { countParameters, fillParameters } from './parameters';
import { refuseChanges } from './resume';
import { versions } from './versions';

export interface RunOptions {
  /** true: the newest unfinished run of that name; a text: the run of that id. */
  resume?: boolean | string;
  /** Aborting it makes the run finish its step, save and stop; see `withInterrupt`. */
  signal?: AbortSignal;
  /** An engine opened before; default: one opened as the config says. */
  engine?: Engine;
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
export async function runExperiment(
  { config, registry }: LoadedExperiment,
  options: RunOptions = {},
): Promise<RunResult> {
  const logger = options.logger ?? silentLogger();
  const quiet = options.quiet ?? options.logger === undefined;
  const say = (text: string): void => (quiet ? undefined : logger.info(text));

  const found = options.resume ? await findRun(config, options.resume) : undefined;
  const engine = options.engine ?? (await openEngine({ ...config.engine, precision: config.train.precision }));
  const written = { ...config, versions: versions(engine) };
  const folder = found ?? (await RunFolder.create(config.runs, config.name, written));
  if (found) await found.claim();
  let trackers: Trackers | undefined;
  try {
    say(`${found ? 'Resuming' : 'Run'} ${folder.path}`);
    say(`Engine: ${engine.description}`);
    if (engine.fallbackReason && !quiet)
      logger.warn(`${engine.fallbackReason} Going on with the portable engine, which is much slower.`);
    const run = folder.info(JSON.parse(JSON.stringify(config)) as RunInfo['config']);
    const random = createRandom(config.seed);
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const own = await Promise.all(
      config.trackers.map(async (spec) => ({ name: spec.use, tracker: await components.create('tracker', spec) })),
    );
    const trainer = await prepare({
      config,
      components,
      registry,
      engine,
      folder,
      run,
      random,
      trackers: new Trackers(own, logger),
      logger,
      quiet,
      options,
    });
    try {
      say(trainer.summary);
      // Only now is it a run that others should find.
      if (found) await folder.writeConfig(written);
      const { parameters } = trainer;
      await folder.update({ engine: engine.description, versions: written.versions, parameters });
      await folder.becomeLatest();
      trackers = trainer.trackers;
      await trackers.start(run);
      const result = await trainer.loop.run();
      await folder.update({ status: result.status, steps: result.steps });
      await trackers.finish(result.status);
      return { ...result, id: folder.record.id, folder: folder.path };
    } finally {
      trainer.dispose();
    }
  } catch (error) {
    const began = found !== undefined || trackers !== undefined;
    if (began)
      await folder
        .update({ status: 'failed', error: error instanceof Error ? error.message : String(error) })
        .catch(() => undefined);
    else await folder.remove().catch(() => undefined);
    await trackers?.finish('failed');
    throw error;
  } finally {
    folder.release();
  }
}

async function findRun(config: ExperimentConfig, resume: true | string): Promise<RunFolder> {
  const found = await RunFolder.find(config.runs, config.name, resume === true ? undefined : resume, {
    steps: config.train.steps,
  });
  await refuseChanges(config, found);
  if (found.record.status === 'finished' && found.record.steps >= config.train.steps) {
    throw new UsageError(`The run ${found.path} is finished: it has done its ${found.record.steps} steps.`, {
      code: 'run.finished',
      hint: 'Raise train.steps to go on with it.',
    });
  }
  return found;
}

interface Job {
  readonly config: ExperimentConfig;
  readonly components: ComponentFactory;
  readonly registry: Registry;
  readonly engine: Engine;
  readonly folder: RunFolder;
  readonly run: RunInfo;
  readonly random: RandomStream;
  readonly trackers: Trackers;
  readonly logger: Logger;
  readonly quiet: boolean;
  readonly options: RunOptions;
}

interface Trainer {
  readonly loop: TrainingLoop;
  readonly trackers: Trackers;
  /** Parameters of the model. */
  readonly parameters: number;
  /** One line for the log. */
  readonly summary: string;
  dispose(): void;
}

/** Everything up to the first step; what it made goes again when it throws. */
async function prepare(job: Job): Promise<Trainer> {
  const { config, components, folder, run, random } = job;
  const owned: { dispose?(): void }[] = [];
  const own = <T extends { dispose?(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  const dispose = (): void => {
    for (const resource of owned.reverse()) resource.dispose?.();
  };
  try {
    const family = await components.create('model', config.model);
    const objective = own(await components.create('objective', config.objective));
    const dataset = own(await openDataset(job, objective.variants));
    checkSource(dataset, objective, {
      dataset: `dataset "${config.dataset.use}"`,
      objective: `objective "${config.objective.use}"`,
    });
    const optimizer = await components.create('optimizer', config.optimizer);
    const evaluators: NamedEvaluator[] = [];
    for (const section of config.evaluators) {
      const { name, every, component } = evaluatorSection(section);
      evaluators.push({ name, every, evaluator: own(await components.create('evaluator', component)) });
    }
    const { model, begin } = await findStart(job, family);
    const parts: TrainingParts = {
      engine: job.engine,
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
    const start = await begin(parts);
    const streams = {
      data: random.fork(STREAMS.data),
      dropout: random.fork(STREAMS.dropout),
      sampling: random.fork(STREAMS.sampling),
    };
    const { signal, onStep } = job.options;
    const context = { folder, run, random: streams, logger: job.logger, quiet: job.quiet, signal, onStep };
    const loop = own(new TrainingLoop(parts, { seed: config.seed, ...config.train }, context, start));
    const count = countParameters(model);
    const from = start.checkpoint ? `, going on after step ${start.step}` : '';
    const summary = `Model: ${model.kind}, ${count.toLocaleString('en')} parameters${from}`;
    return { loop, trackers: job.trackers, parameters: count, summary, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The training data, in threads of their own where the config wants that and they can be. */
async function openDataset(
  { config, components, registry, run, logger, quiet }: Job,
  variants: Objective['variants'],
): Promise<Dataset> {
  const { threads, batchesAhead } = config.train.loader;
  if (threads > 0) {
    const { dataset, seed } = config;
    const wanted = { registry, dataset, seed, run, logger, variants };
    const opened = await ThreadedDataset.open({ ...wanted, threads, batchesAhead });
    if (opened instanceof ThreadedDataset) return opened;
    const made = await components.create('dataset', config.dataset);
    if (!quiet) logger.info(`Data are made between the steps, not in a thread of their own: ${opened.refused}`);
    return made;
  }
  return components.create('dataset', config.dataset);
}

/** The model, and how its parameters and the optimizer's state come about: from the run's newest snapshot, or afresh. */
async function findStart(
  { config, components, folder, random }: Job,
  family: ModelFamily,
): Promise<{ model: Model; begin: (parts: TrainingParts) => Promise<TrainingStart> }> {
  const snapshot = await findSnapshot(folder.checkpoints);
  if (snapshot) {
    // The run's own checkpoint, not the initializer's: that may be gone or changed by now.
    const model = family.build(snapshot.config);
    const { step, data } = snapshot.state;
    return {
      model,
      begin: async ({ dataset, optimizer }) => {
        await dataset.restore(data);
        const parameters = await readParameters(snapshot.folder, model);
        return withState(parameters, async () => {
          const state = await readOptimizerState(snapshot.folder, initialState(optimizer, parameters, model, config));
          const kept = config.train.averageDecay === undefined ? undefined : await readAverage(snapshot.folder, model);
          const average = kept ?? initialAverage(parameters, config);
          return { parameters, state, average, step, checkpoint: snapshot.folder };
        });
      },
    };
  }
  const initializer = await components.create('initializer', config.initializer);
  const model = family.build(await initializer.checkpointConfig());
  return {
    model,
    begin: async ({ optimizer }) => {
      const parameters = await fillParameters(model, initializer, random.fork(STREAMS.init));
      return withState(parameters, async () => ({
        parameters,
        state: initialState(optimizer, parameters, model, config),
        average: initialAverage(parameters, config),
        step: 0,
      }));
    },
  };
}

/** For the parameters that are trained at some step: the others need none. */
function initialState(
  optimizer: Optimizer,
  parameters: Parameters,
  model: Model,
  { train }: ExperimentConfig,
): OptimizerState {
  const trained = ParameterGroups.of(model, train).everTrained(parameters);
  return tf.tidy(() => optimizer.init(trained));
}

function initialAverage(parameters: Parameters, { train }: ExperimentConfig): Parameters {
  if (train.averageDecay === undefined) return {};
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value.clone()]));
}

/** Frees the parameters when there is no optimizer state to go with them. */
async function withState(parameters: Parameters, make: () => Promise<TrainingStart>): Promise<TrainingStart> {
  try {
    return await make();
  } catch (error) {
    tf.dispose(parameters);
    throw error;
  }
}
