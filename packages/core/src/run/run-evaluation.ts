import { openEngine, tf, UsageError, type Engine } from '@graft/engine';
import type { EvaluationConfig, LoadedEvaluation } from '../config';
import { LoaderSection } from '../config/schema';
import type { Model, Parameters } from '../interfaces';
import { discreetLogger, silentLogger, type Logger } from '../util/logger';
import { STREAMS, type RandomStream } from '../random/streams';
import { buildModel, describeSpecialTokens, EARLIER_POLICY, specialTokenPolicy } from '../data/special-tokens';
import { Evaluations, type NamedEvaluator, type EvaluationRecord } from '../evaluation/evaluations';
import { unlessStuck, watchCalls } from '../util/pending';
import { createProgress } from '../training/progress';
import type { Trackers } from '../training/trackers';
import { checkEvaluators } from './before-first-step';
import { createEvaluators } from './evaluators';
import type { RunFolder } from './folder';
import { LogFile } from './log-file';
import { findResumableRun } from './reader';
import { findCheckpointStep } from './checkpoint-step';
import { ResourceScope } from './resource-scope';
import { countParameters, fillParameters } from './parameters';
import { refuseChanges, wantsResume } from './resume';
import { withRecordedEngine } from './recorded-engine';
import { RunSession } from './session';

/** Options of `runEvaluation`. */
export interface EvaluationRunOptions {
  /** true: the newest unfinished evaluation of that name; a string: the one with that id. */
  resume?: boolean | string;
  /** Aborting it stops the current evaluator; finished ones keep their numbers. */
  signal?: AbortSignal;
  /** Threads for one operation, if the config does not say. Default: the number of cores. */
  threads?: number;
  /** An engine that is already open. Default: opens the one in the config. */
  engine?: Engine;
  /** Default: silent. */
  logger?: Logger;
  /** Renders the report of a run's folder as one HTML page, which trackers may keep. `@graft/report` has one. */
  report?: (folder: string) => Promise<string>;
}

/** How an evaluation ended, and where its numbers are. */
export interface EvaluationRunResult {
  readonly status: 'finished' | 'interrupted';
  readonly id: string;
  readonly folder: string;
  readonly evaluations: readonly EvaluationRecord[];
}

/**
 * Initializes the model's parameters, runs every evaluator once and leaves a run folder without training in it. A
 * config that also describes a training leaves it next to the training's own, as `<name>-evaluation`.
 */
export async function runEvaluation(
  loaded: LoadedEvaluation,
  options: EvaluationRunOptions = {},
): Promise<EvaluationRunResult> {
  const log = new LogFile();
  const logger = log.tee(discreetLogger(options.logger ?? silentLogger()));
  const found = wantsResume(options.resume) ? await findEvaluation(loaded.config, options) : undefined;
  const { config, registry } = await withRecordedEngine(loaded, found);
  const { threads = options.threads, ...engineOptions } = config.engine;
  const engine =
    options.engine ?? (await openEngine({ ...engineOptions, threads, precision: config.train?.precision }));
  const session = await RunSession.open({
    config,
    registry,
    engine,
    logger,
    log,
    quiet: false,
    name: runName(config),
    kind: 'evaluation',
    found,
    checkResumable: (folder) => checkResumable(config, folder),
    report: options.report,
  });
  const { folder, random } = session;
  const owned = new ResourceScope(logger);
  const seconds = (config.train?.loader ?? LoaderSection.parse({})).warnAfterSeconds;
  const stopWatching = watchCalls(seconds, (sentence) => logger.warn(sentence));
  try {
    session.announce();
    const info = await session.describe();
    const withoutPolicy = session.components(info);
    const family = await withoutPolicy.create('model', config.model);
    const initializer = await withoutPolicy.create('initializer', config.initializer);
    const checkpointStep = found ? found.record.checkpointStep : await findCheckpointStep(config.initializer, registry);
    const model = buildModel(family, await initializer.checkpointConfig(), {
      section: config.specialTokens,
      generationConfig: await initializer.generationConfig?.(),
      // Existing numbers were measured with this policy.
      silent: found && found.record.specialTokens === undefined ? EARLIER_POLICY : undefined,
    });
    const run = { ...info, specialTokens: specialTokenPolicy(model) };
    const components = session.components(run);
    const trackers = await session.createTrackers(components);
    const evaluators = await createEvaluators(config, components, owned, options.signal);
    await unlessStuck(checkEvaluators(evaluators, model, options.signal), options.signal);
    const parameters = await fillParameters(model, initializer, random.fork(STREAMS.init));
    owned.add('the parameters', { dispose: () => tf.dispose(parameters) });
    const after = checkpointStep === undefined ? '' : `, the checkpoint after step ${checkpointStep}`;
    session.say(`Model: ${model.kind}, ${countParameters(model).toLocaleString('en')} parameters${after}`);
    session.say(describeSpecialTokens(model));
    await session.begin({ model, run, trackers });
    if (checkpointStep !== undefined) await folder.update({ checkpointStep });
    const step = checkpointStep ?? 0;
    const evaluations = await evaluateAll(
      { evaluators, model, parameters, random, folder, trackers, step },
      { ...options, logger },
    );
    const status = evaluations.isDue(step) ? 'interrupted' : 'finished';
    await session.finish(status);
    return { status, id: folder.record.id, folder: folder.path, evaluations: evaluations.records };
  } catch (error) {
    await session.fail(error);
    throw error;
  } finally {
    stopWatching();
    await owned.dispose(options.signal?.aborted);
    await session.release();
  }
}

interface EvaluationJob {
  readonly evaluators: readonly NamedEvaluator[];
  readonly model: Model;
  readonly parameters: Parameters;
  /** Derived from the config's seed. */
  readonly random: RandomStream;
  readonly folder: RunFolder;
  readonly trackers: Trackers;
  /** The step of the evaluated checkpoint; 0 if the model is not a checkpoint of a run. */
  readonly step: number;
}

async function evaluateAll(
  { evaluators, model, parameters, random, folder, trackers, step }: EvaluationJob,
  { signal, logger }: EvaluationRunOptions,
): Promise<Evaluations> {
  // A long evaluation reports its progress; one without a logger reports nothing.
  const progress = createProgress({
    name: folder.record.name,
    from: 0,
    to: 0,
    logEvery: 1,
    logger: logger ?? silentLogger(),
    quiet: logger === undefined || !logger.isLevelEnabled('info'),
  });
  const evaluations = await Evaluations.open({
    evaluators,
    onProgress: (evaluator, report) => progress.evaluating(evaluator, report),
    step,
    totalSteps: step,
    model: () => model,
    // An evaluator gets the same random stream as in training.
    random: random.fork(STREAMS.sampling),
    sink: folder,
  });
  const onRecord = async (record: EvaluationRecord): Promise<void> => {
    await folder.becomeLatest();
    trackers.logEvaluation(record);
    logger?.info(`${record.evaluator}: done in ${record.seconds.toFixed(1)} s`);
  };
  try {
    await evaluations.run(step, parameters, onRecord, signal);
  } finally {
    progress.stop();
  }
  return evaluations;
}

/** What the evaluation of a config that also describes a training is called, by the training's name or folder of runs. */
export const evaluationBeside = (training: string): string => `${training}-evaluation`;

const runName = ({ name, train }: EvaluationConfig): string => (train ? evaluationBeside(name) : name);

async function findEvaluation(config: EvaluationConfig, { resume, logger }: EvaluationRunOptions): Promise<RunFolder> {
  const found = await findResumableRun({
    runs: config.runs,
    name: runName(config),
    id: resume === true ? undefined : (resume as string),
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
