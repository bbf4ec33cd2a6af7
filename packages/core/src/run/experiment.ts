import { GraftError, openEngine, tf, UsageError, type Engine } from '@graft/engine';
import { createComponentFactory, type ComponentFactory } from '../components';
import { evaluatorSection, type ExperimentConfig, type LoadedExperiment } from '../config';
import type { Initializer, Model, Parameters, RunInfo } from '../interfaces';
import { silentLogger, type Logger } from '../logger';
import { createRandom, STREAMS, type RandomStream } from '../random';
import { TrainingLoop, type TrainingParts, type TrainingResult } from '../training/loop';
import { findSnapshot, readSnapshot } from '../training/snapshots';
import { Trackers } from '../training/trackers';
import { RunFolder } from './folder';
import { versions } from './versions';

export interface RunOptions {
  /** true: the newest unfinished run of that name; a text: the run of that id. */
  resume?: boolean | string;
  /** Aborting it makes the run finish its step, save and stop. */
  signal?: AbortSignal;
  /** An engine opened before; default: one opened as the config says. */
  engine?: Engine;
  logger?: Logger;
  /** No progress, no lines. */
  quiet?: boolean;
  onStep?: (step: number, metrics: Readonly<Record<string, number>>) => void;
}

export interface RunResult extends TrainingResult {
  readonly id: string;
  readonly folder: string;
}

/** Changes to these keys do not make a resumed run another run. */
const RESUMABLE = new Set(['runs', 'engine', 'plugins', 'versions', 'trackers', 'callbacks', 'evaluators', 'train']);
const RESUMABLE_TRAIN = new Set(['steps', 'checkpointEvery', 'keepCheckpoints', 'logEvery']);

/** Runs an experiment, or goes on with one, and leaves its run folder. Frees everything that it made. */
export async function runExperiment({ config, registry }: LoadedExperiment, options: RunOptions = {}): Promise<RunResult> {
  const logger = options.logger ?? silentLogger();
  const quiet = options.quiet ?? options.logger === undefined;
  const found = options.resume ? await RunFolder.find(config.runs, config.name, options.resume === true ? undefined : options.resume) : undefined;
  if (found) refuseChanges(config, await found.config(), found.path);
  const engine =
    options.engine ??
    (await openEngine({ ...config.engine, precision: config.train.precision }));
  const folder = found ?? (await RunFolder.create(config.runs, config.name, { ...config, versions: versions() }));
  await folder.update({ status: 'running', engine: engine.description, error: undefined });
  if (!quiet) {
    logger.info(`${found ? 'Resuming' : 'Run'} ${folder.path}`);
    logger.info(`Engine: ${engine.description}`);
    if (engine.fallbackReason) logger.warn(`${engine.fallbackReason} Going on with the portable engine, which is much slower.`);
  }
  const run = folder.info(config as unknown as RunInfo['config']);
  let trackers: Trackers | undefined;
  try {
    const random = createRandom(config.seed);
    const components = createComponentFactory(registry, { engine, random, logger, run });
    trackers = new Trackers(await Promise.all(config.trackers.map((spec) => components.create('tracker', spec))), logger);
    await trackers.start(run);
    const result = await train({ config, components, engine, folder, run, random, trackers, options: { ...options, logger, quiet }, resumed: found !== undefined });
    await folder.update({ status: result.status, steps: result.step });
    await trackers.finish(result.status);
    return { ...result, id: folder.record.id, folder: folder.path };
  } catch (error) {
    await folder.update({ status: 'failed', error: error instanceof Error ? error.message : String(error) }).catch(() => undefined);
    await trackers?.finish('failed');
    throw error;
  }
}

interface Job {
  config: ExperimentConfig;
  components: ComponentFactory;
  engine: Engine;
  folder: RunFolder;
  run: RunInfo;
  random: RandomStream;
  trackers: Trackers;
  options: RunOptions & { logger: Logger; quiet: boolean };
  resumed: boolean;
}

async function train(job: Job): Promise<TrainingResult> {
  const { config, components, engine, folder, run, random, trackers, options } = job;
  const initializer = await components.create('initializer', config.initializer);
  const family = await components.create('model', config.model);
  const model = family.build(await initializer.checkpointConfig());
  const parts: TrainingParts = {
    engine,
    model,
    trackers,
    objective: await components.create('objective', config.objective),
    optimizer: await components.create('optimizer', config.optimizer),
    schedule: await components.create('schedule', config.schedule),
    dataset: await components.create('dataset', config.dataset),
    evaluators: await Promise.all(
      config.evaluators.map(async (section) => {
        const { name, every, component } = evaluatorSection(section);
        return { name, every, evaluator: await components.create('evaluator', component) };
      }),
    ),
    callbacks: await Promise.all(config.callbacks.map((spec) => components.create('callback', spec))),
  };
  try {
    const parameters = await fillParameters(model, initializer, random.fork(STREAMS.init));
    const state = parts.optimizer.init(parameters);
    let step = 0;
    let loop: TrainingLoop | undefined;
    try {
      const snapshot = job.resumed ? await findSnapshot(folder.checkpoints) : undefined;
      if (snapshot) {
        await readSnapshot(snapshot.folder, parameters, state);
        await parts.dataset.restore(snapshot.state.data);
        step = snapshot.state.step;
      }
      if (!options.quiet) options.logger.info(`Model: ${model.kind}, ${countParameters(model).toLocaleString('en')} parameters`);
      loop = new TrainingLoop(
        parts,
        { seed: config.seed, ...config.train },
        {
          folder,
          run,
          random: { data: random.fork(STREAMS.data), dropout: random.fork(STREAMS.dropout), sampling: random.fork(STREAMS.sampling) },
          logger: options.logger,
          quiet: options.quiet,
          signal: options.signal,
          onStep: options.onStep,
        },
        parameters,
        state,
        step,
      );
      return await loop.run();
    } finally {
      if (loop) loop.dispose();
      else tf.dispose([parameters, state] as unknown as tf.TensorContainer);
    }
  } finally {
    parts.dataset.dispose?.();
    for (const { evaluator } of parts.evaluators) evaluator.dispose?.();
  }
}

export function countParameters(model: Model): number {
  return model.parameters.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/**
 * Collects what an initializer yields. Throws GraftError naming every parameter that is missing, came twice, is unknown
 * to the model or has another shape.
 */
export async function fillParameters(model: Model, initializer: Initializer, random: RandomStream): Promise<Parameters> {
  const shapes = new Map(model.parameters.map(({ name, shape }) => [name, shape]));
  const received = new Map<string, tf.Tensor>();
  const problems: string[] = [];
  try {
    for await (const [name, value] of initializer.parameters(model, random)) {
      const shape = shapes.get(name);
      const twin = received.get(name);
      if (!shape) problems.push(`"${name}" is no parameter of the model`);
      else if (twin) problems.push(`"${name}" came twice`);
      else if (shape.join() !== value.shape.join()) problems.push(`"${name}" has shape [${value.shape.join(', ')}], expected [${shape.join(', ')}]`);
      if (!shape || twin) value.dispose();
      else received.set(name, value);
    }
    for (const name of shapes.keys()) if (!received.has(name)) problems.push(`"${name}" did not come`);
    if (problems.length > 0) {
      const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
      throw new GraftError(`The initializer does not fit the model: ${problems.slice(0, 5).join('; ')}${more}.`, { code: 'run.initializer' });
    }
  } catch (error) {
    for (const tensor of received.values()) tensor.dispose();
    throw error;
  }
  // In the model's order, whatever the initializer's: everything downstream is keyed by name but written in this order.
  return Object.fromEntries(model.parameters.map(({ name }) => [name, received.get(name)!]));
}

function refuseChanges(config: ExperimentConfig, before: Readonly<Record<string, unknown>>, path: string): void {
  const changed: string[] = [];
  const now = config as unknown as Record<string, unknown>;
  for (const key of Object.keys(now)) {
    if (!RESUMABLE.has(key) && JSON.stringify(now[key]) !== JSON.stringify(before[key])) changed.push(key);
  }
  const train = config.train as unknown as Record<string, unknown>;
  const trainBefore = before.train as Record<string, unknown>;
  for (const key of Object.keys(train)) {
    if (!RESUMABLE_TRAIN.has(key) && JSON.stringify(train[key]) !== JSON.stringify(trainBefore[key])) changed.push(`train.${key}`);
  }
  if (changed.length > 0) {
    throw new UsageError(`${path} was started with another config: ${changed.join(', ')} differ${changed.length === 1 ? 's' : ''}.`, {
      code: 'run.changed',
      hint: 'Resume with the old values, or start a new run.',
    });
  }
}
