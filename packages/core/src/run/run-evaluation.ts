import { openEngine, tf, UsageError, type Engine } from '@graft/engine';
import { createComponentFactory } from '../components/factory';
import { evaluatorSection, type EvaluationConfig, type LoadedEvaluation } from '../config';
import { LoaderSection } from '../config/schema';
import type { Model, Parameters } from '../interfaces';
import { discreetLogger, silentLogger, type Logger } from '../util/logger';
import { createRandom, STREAMS } from '../random/streams';
import { literalSecretsWarning } from '../secrets/mask';
import { configFacts } from './run-info';
import {
  buildModel,
  describeSpecialTokens,
  EARLIER_POLICY,
  specialTokenPolicy,
  storedSpecialTokens,
} from '../data/special-tokens';
import { Evaluations, type NamedEvaluator, type EvaluationRecord } from '../evaluation/evaluations';
import { unlessStuck, watchCalls } from '../util/pending';
import { Trackers } from '../training/trackers';
import { recordFailure } from './failure';
import { RunFolder } from './folder';
import { ResourceScope } from './resource-scope';
import { countParameters, fillParameters } from './parameters';
import { refuseChanges, wantsResume } from './resume';
import { findRecord } from './tokenizer-files';
import { versions } from './versions';

export interface EvaluationRunOptions {
  /** true: the newest unfinished evaluation of that name; a text: the one of that id. */
  resume?: boolean | string;
  /** Aborting it stops the evaluator at work; those that are done keep their numbers. */
  signal?: AbortSignal;
  /** An engine opened before; default: one opened as the config says. */
  engine?: Engine;
  /** Default: silent. */
  logger?: Logger;
}

export interface EvaluationRunResult {
  readonly status: 'finished' | 'interrupted';
  readonly id: string;
  readonly folder: string;
  readonly evaluations: readonly EvaluationRecord[];
}

/**
 * Gives the model its parameters, runs every evaluator once and leaves a run folder without training in it. A config
 * that also describes a training leaves it beside the training's own, as `<name>-evaluation`.
 */
export async function runEvaluation(
  { config, registry }: LoadedEvaluation,
  options: EvaluationRunOptions = {},
): Promise<EvaluationRunResult> {
  const logger = discreetLogger(options.logger ?? silentLogger());
  const found = wantsResume(options.resume) ? await findEvaluation(config, options) : undefined;
  const engine = options.engine ?? (await openEngine({ ...config.engine, precision: config.train?.precision }));
  const written = { ...config, versions: versions(engine) };
  const folder = found ?? (await RunFolder.create(config.runs, runName(config), written, 'evaluation'));
  if (found) await found.claim({ check: () => checkResumable(config, found), onWatch: (text) => logger.warn(text) });
  const owned = new ResourceScope(logger);
  const seconds = (config.train?.loader ?? LoaderSection.parse({})).warnAfterSeconds;
  const stopWatching = watchCalls(seconds, (sentence) => logger.warn(sentence));
  let trackers: Trackers | undefined;
  try {
    logger.info(`${found ? 'Resuming' : 'Evaluation'} ${folder.path}`);
    logger.info(`Engine: ${engine.description}`);
    if (engine.fallbackReason)
      logger.warn(`${engine.fallbackReason} Going on with the portable engine, which is much slower.`);
    const literal = literalSecretsWarning(config);
    if (literal) logger.warn(literal);
    const recorded = await findRecord(config, registry, folder.checkpoints);
    const info = { ...folder.info(configFacts(config)), recorded };
    const random = createRandom(config.seed);
    const first = createComponentFactory(registry, { engine, random, logger, run: info });
    const family = await first.create('model', config.model);
    const initializer = await first.create('initializer', config.initializer);
    const model = buildModel(family, await initializer.checkpointConfig(), {
      section: config.specialTokens,
      generationConfig: await initializer.generationConfig?.(),
      // What is measured already was measured so.
      silent: found && found.record.specialTokens === undefined ? EARLIER_POLICY : undefined,
    });
    const run = { ...info, specialTokens: specialTokenPolicy(model) };
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const named = await Promise.all(
      config.trackers.map(async (spec) => ({ name: spec.use, tracker: await components.create('tracker', spec) })),
    );
    const evaluators: NamedEvaluator[] = [];
    for (const section of config.evaluators) {
      const { name, component } = evaluatorSection(section);
      const made = await unlessStuck(components.create('evaluator', component), options.signal);
      const evaluator = owned.add(`evaluator "${name}"`, made);
      evaluators.push({ name, every: 0, evaluator });
    }
    const parameters = await fillParameters(model, initializer, random.fork(STREAMS.init));
    owned.add('the parameters', { dispose: () => tf.dispose(parameters) });
    const count = countParameters(model);
    logger.info(`Model: ${model.kind}, ${count.toLocaleString('en')} parameters`);
    logger.info(describeSpecialTokens(model));
    if (found) await folder.writeConfig(written);
    const specialTokens = storedSpecialTokens(model);
    await folder.update({ engine: engine.description, versions: written.versions, parameters: count, specialTokens });
    await folder.becomeLatest();
    trackers = new Trackers(named, logger);
    await trackers.start(run);
    const evaluations = await evaluateAll(
      { evaluators, model, parameters, seed: config.seed, folder, trackers },
      options,
    );
    const status = evaluations.isDue(0) ? 'interrupted' : 'finished';
    await folder.update({ status });
    await trackers.finish(status);
    return { status, id: folder.record.id, folder: folder.path, evaluations: evaluations.records };
  } catch (error) {
    await recordFailure(error, { folder, began: found !== undefined || trackers !== undefined, trackers });
    throw error;
  } finally {
    stopWatching();
    await owned.dispose(options.signal?.aborted);
    await folder.release();
  }
}

interface Job {
  readonly evaluators: readonly NamedEvaluator[];
  readonly model: Model;
  readonly parameters: Parameters;
  readonly seed: number;
  readonly folder: RunFolder;
  readonly trackers: Trackers;
}

async function evaluateAll(
  { evaluators, model, parameters, seed, folder, trackers }: Job,
  { signal, logger }: EvaluationRunOptions,
): Promise<Evaluations> {
  // The stream of an evaluator is the same as in training.
  const random = createRandom(seed).fork(STREAMS.sampling);
  const evaluations = await Evaluations.open(evaluators, { step: 0, totalSteps: 0, model, random, sink: folder });
  const onRecord = ({ evaluator, metrics, seconds }: EvaluationRecord): void => {
    trackers.log(0, Object.fromEntries(Object.entries(metrics).map(([key, value]) => [`${evaluator}/${key}`, value])));
    logger?.info(`${evaluator}: done in ${seconds.toFixed(1)} s`);
  };
  await evaluations.run(0, parameters, onRecord, signal);
  return evaluations;
}

function runName({ name, train }: EvaluationConfig): string {
  return train ? `${name}-evaluation` : name;
}

async function findEvaluation(config: EvaluationConfig, { resume, logger }: EvaluationRunOptions): Promise<RunFolder> {
  const id = resume === true ? undefined : (resume as string);
  const found = await RunFolder.find(config.runs, runName(config), id, {
    kind: 'evaluation',
    warn: (sentence) => logger?.warn(sentence),
  });
  await checkResumable(config, found);
  return found;
}

async function checkResumable(config: EvaluationConfig, found: RunFolder): Promise<void> {
  await refuseChanges(config, found, 'evaluation');
  if (found.record.status !== 'finished') return;
  throw new UsageError(`The evaluation ${found.path} is finished.`, {
    code: 'run.finished',
    hint: 'Start a new one without --resume.',
  });
}
