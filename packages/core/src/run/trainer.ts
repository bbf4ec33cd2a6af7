import { ConfigError, type Engine, type WorkerGroup } from '@graft/engine';
import { recordFile } from '@graft/checkpoint';
import { nameComponent } from '../components/calls';
import { createComponentFactory } from '../components/factory';
import type { Registry } from '../components/registry';
import type { TrainingConfig } from '../config';
import { checkSource } from '../data/loader';
import { checkSides } from '../data/side-text';
import { describeSpecialTokens, specialTokenPolicy, tokenizerClash } from '../data/special-tokens';
import { ThreadedDataset } from '../data/threads/dataset';
import { compareFiles } from '../distributed/group';
import type { Placement } from '../distributed/placement';
import type { ComponentFactory, Dataset, Model, Objective, Optimizer, RunInfo, Schedule, Settled } from '../interfaces';
import { STREAMS, type RandomStream } from '../random/streams';
import { TrainingLoop } from '../training/loop';
import type { NamedCallback } from '../training/callbacks';
import type { TrainingContext, TrainingParts, TrainingStart } from '../training/loop-types';
import { loadWarning } from '../training/memory';
import { checkModelKind } from '../training/model-kind';
import type { Trackers } from '../training/trackers';
import type { Logger } from '../util/logger';
import { Interrupted, unlessStuck } from '../util/pending';
import { checkAmountOfData, checkChoices, checkEvaluators } from './before-first-step';
import { baseOf, LoraModel } from '../training/lora/lora-model';
import { createPlacement } from './create-placement';
import { createEvaluators } from './evaluators';
import type { RunFolder } from './folder';
import { describeLonger, stepsIn } from './longer-run';
import { countParameters } from './parameters';
import { ResourceScope } from './resource-scope';
import { ResumePoint } from './resume-point';
import { checkTakesSides, createSides, findTokenizerFiles, tokenizerSections } from './tokenizer-files';
import { trainable } from '../util/trainable';

export interface TrainerRequest extends Pick<TrainingContext, 'signal' | 'onStep'> {
  readonly config: TrainingConfig;
  readonly registry: Registry;
  readonly engine: Engine;
  readonly group?: WorkerGroup;
  /** Only in worker 0, the only one that writes. */
  readonly folder?: RunFolder;
  readonly run: RunInfo;
  readonly random: RandomStream;
  readonly components: ComponentFactory;
  readonly trackers: Trackers;
  readonly logger: Logger;
  readonly quiet: boolean;
  /** A schedule in place of the config's. */
  readonly schedule?: (optimizer: Optimizer) => Schedule;
}

/** A loop that is ready for its first step. */
export interface Trainer {
  readonly loop: TrainingLoop;
  readonly model: Model;
  /** As components see it. */
  readonly run: RunInfo;
  /** For the log. */
  readonly summary: readonly string[];
  dispose(): Promise<void>;
}

/** Calls `prepare`, but stops waiting if it hangs in a dataset and the user wants to stop. */
export async function prepareTrainer(request: TrainerRequest): Promise<Trainer> {
  const trainer = prepare(request);
  return unlessStuck(trainer, request.signal).catch((error: unknown) => {
    if (error instanceof Interrupted) void trainer.then((late) => late.dispose()).catch(() => undefined);
    throw error;
  });
}

/** Everything up to the first step; frees what it made if it throws. */
async function prepare(request: TrainerRequest): Promise<Trainer> {
  const { config, registry, engine, folder, random, group, logger, signal } = request;
  const owned = new ResourceScope(logger);
  const names = {
    dataset: `dataset "${config.dataset.use}"`,
    objective: `objective "${config.objective.use}"`,
  };
  try {
    const family = await request.components.create('model', config.model);
    const resumePoint = await ResumePoint.find(
      { config, components: request.components, random, group, checkpoints: folder?.checkpoints },
      family,
    );
    const { model } = resumePoint;

    // Datasets end texts with its special tokens, and so do those of evaluators.
    const { resumedFromStep } = resumePoint;
    const run = { ...request.run, specialTokens: specialTokenPolicy(model), resumedFromStep };
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const objective = owned.add(names.objective, await components.create('objective', config.objective));
    const dataset = owned.add(names.dataset, await openDataset({ ...request, run, components }, objective.variants));
    checkSource(dataset, objective, names);
    if (group && dataset.kind === 'examples') checkBatchSize(config, group.count);
    if (group) await compareFiles(group, objective);
    const repeated = checkAmountOfData(config.train, dataset, names.dataset, objective);
    if (folder && repeated !== undefined) logger.warn(repeated);
    const optimizer = await components.create('optimizer', config.optimizer);
    const evaluators = await createEvaluators(config, components, owned);
    // The other workers do not evaluate.
    if (folder) checkChoices(config.train, evaluators);
    checkModelKind(model, objective);
    checkTakesSides(config.dataset, dataset, registry);
    checkSides(dataset, model);
    const { tokenizer: ofData, tokenizers } = dataset;
    const clash = tokenizerClash(ofData, model, tokenizers?.encoder);
    if (folder && clash !== undefined) logger.warn(clash);
    const settled = objective.settle?.({ model, tokenizer: ofData, tokenizers });
    // Only the first of several workers reports.
    if (folder) for (const warning of settled?.warnings ?? []) logger.warn(warning);
    await checkEvaluators(evaluators, baseOf(model), signal);
    const tight = loadWarning(model, config.train);
    if (tight) logger.warn(tight);
    const schedule = request.schedule?.(optimizer) ?? (await components.create('schedule', config.schedule));
    const callbacks = await createCallbacks(config, components);
    const parts: TrainingParts = {
      engine,
      model,
      objective,
      optimizer,
      schedule,
      dataset,
      evaluators,
      trackers: request.trackers,
      callbacks,
    };
    const tokenizer = folder && (await findTokenizerFiles(config, { registry, components }, folder.checkpoints));
    const extraFiles = tokenizer && {
      ...tokenizer.files,
      ...recordFile({
        ...run.recorded,
        ...(await resumePoint.record()),
        ...settled?.record,
        ...tokenizerSections(tokenizer),
      }),
    };

    const placement = createPlacement({
      engine,
      model,
      family,
      train: config.train,
      group,
      sizesBatches: dataset.kind === 'examples',
      logger,
    });
    const carried = folder && (await resumePoint.carried());
    if (carried) owned.add('what the checkpoints carry', carried);
    const start = await resumePoint.start(parts, placement);
    const before = folder && stepsIn(await folder.config());
    const longer = describeLonger(schedule, { step: start.step, before, now: config.train.steps });
    if (folder && start.step > 0) warnOfUnrecorded(settled, run, start.step, logger);

    const context: TrainingContext = {
      sink: folder,
      extraFiles,
      carried: carried?.tensors,
      baseModel: resumePoint.baseModel,
      run,
      random: {
        data: random.fork(STREAMS.data),
        dropout: random.fork(STREAMS.dropout),
        sampling: random.fork(STREAMS.sampling),
        rounding: random.fork(STREAMS.rounding),
      },
      logger,
      quiet: request.quiet,
      signal,
      placement,
      onStep: request.onStep,
    };
    const loop = new TrainingLoop(parts, { seed: config.seed, ...config.train }, context, start);
    owned.add('the training state', loop);
    return {
      loop,
      model,
      run,
      summary: [...summaryOf(resumePoint, start, placement, settled), ...(longer === undefined ? [] : [longer])],
      dispose: () => owned.dispose(signal?.aborted),
    };
  } catch (error) {
    await owned.dispose();
    throw error;
  }
}

/** The training data, in separate threads if the config asks for that and the dataset allows it. */
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
      if (opened.hasSides) opened.tokenizers = await createSides(dataset, { registry, components });
      nameComponent(opened, `dataset "${plugin}/${definition.id}"`);
      return opened;
    }
    const made = await components.create('dataset', config.dataset);
    if (!quiet) logger.info(`Data are made between the steps, not in a thread of their own: ${opened.refused}`);
    return made;
  }
  return components.create('dataset', config.dataset);
}

function createCallbacks({ callbacks }: TrainingConfig, components: ComponentFactory): Promise<NamedCallback[]> {
  return Promise.all(
    callbacks.map(async (spec, i) => {
      const before = callbacks.slice(0, i).filter(({ use }) => use === spec.use).length;
      const name = before === 0 ? spec.use : `${spec.use}#${before + 1}`;
      return { name, callback: await components.create('callback', spec, name) };
    }),
  );
}

/** Checks now instead of at the first step. Batches that are already built report their size only then. */
function checkBatchSize({ train: { batchSize, microBatches } }: TrainingConfig, workers: number): void {
  if (batchSize % (workers * microBatches) === 0) return;
  const parts = microBatches > 1 ? `${workers} workers with ${microBatches} micro-batches each` : `${workers} workers`;
  throw new ConfigError(`train.batchSize is ${batchSize}, which ${parts} cannot share out evenly.`, {
    code: 'workers.batch-size',
    hint: `Make it a multiple of ${workers * microBatches}.`,
  });
}

/** Warns about a checkpoint from before the objective recorded its settings. */
function warnOfUnrecorded(settled: Settled | undefined, run: RunInfo, step: number, logger: Logger): void {
  const unrecorded = Object.keys(settled?.record ?? {}).filter(
    (section) => !Object.hasOwn(run.recorded ?? {}, section),
  );
  if (unrecorded.length > 0)
    logger.warn(
      `The checkpoint after step ${step} does not say what it was trained with ("${unrecorded.join('", "')}" in graft.json): see that it was what is chosen now.`,
    );
}

function summaryOf(
  { model, withoutPolicy }: ResumePoint,
  start: TrainingStart,
  placement: Placement,
  settled: Settled | undefined,
): string[] {
  const { step } = start;
  const placed = placement.describe(start);
  const count = countParameters(baseOf(model));
  const from = step > 0 ? `, continuing after step ${step}` : '';
  const shared = placed && `, ${placed}`;
  const earlier =
    'This run began before there was a policy for special tokens; ' +
    (model.specialTokens.policy
      ? 'it continues with those it began with.'
      : 'its model family takes none, so that it continues as `auto` says.');
  return [
    `Model: ${model.kind}, ${count.toLocaleString('en')} parameters${shared ?? ''}${from}`,
    ...(model instanceof LoraModel ? [describeLora(model)] : []),
    describeSpecialTokens(model),
    ...(withoutPolicy ? [earlier] : []),
    ...(settled?.notes ?? []),
  ];
}

/** `LoRA: 8,192 of 131,072 parameters train: pairs of rank 8 for 16 matrices, times 2`. */
function describeLora(model: LoraModel): string {
  const { settings, pairs, factor, complete } = model;
  const trained = countParameters({ parameters: trainable(model.parameters) });
  const whole = complete.size > 0 ? `, and ${complete.size} whole parameters` : '';
  return `LoRA: ${trained.toLocaleString('en')} parameters train: pairs of rank ${settings.rank} for ${pairs.size} matrices, times ${Number(factor.toPrecision(6))}${whole}`;
}
