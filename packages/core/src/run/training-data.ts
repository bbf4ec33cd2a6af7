import type { Engine } from '@graft/engine';
import { createComponentFactory } from '../components/factory';
import type { LoadedExperiment } from '../config';
import { checkSource } from '../data/loader';
import { buildModel, specialTokenPolicy } from '../data/special-tokens';
import type { ComponentFactory, Dataset, Model, ModelFamily, Objective, RunInfo } from '../interfaces';
import type { RandomStream } from '../random/streams';
import { checkModelKind } from '../training/model-kind';
import type { Logger } from '../util/logger';
import type { ResourceScope } from './resource-scope';
import { trainedForm } from './resume-point';
import { findRecord, findTokenizerFolders } from './tokenizer-files';

/** What makes the batches of a run, and the model that they are for, without its parameters. */
export interface TrainingData {
  readonly family: ModelFamily;
  readonly model: Model;
  readonly objective: Objective;
  readonly dataset: Dataset;
  /** Of the run, with its policy for special tokens. */
  readonly components: ComponentFactory;
}

interface Request {
  readonly engine: Engine;
  readonly random: RandomStream;
  readonly logger: Logger;
  /** What components know of the run. */
  readonly facts: RunInfo;
  /** Frees what is made here. */
  readonly owned: ResourceScope;
  /** Whether the objective only makes batches, without teachers. Default: it trains. */
  readonly isForBatches?: boolean;
}

/** Creates the components that make a run's batches, as the run would before its first step; reads no weights. */
export async function openTrainingData(
  { config, registry }: LoadedExperiment,
  { engine, random, logger, facts, owned, isForBatches = false }: Request,
): Promise<TrainingData> {
  const first = createComponentFactory(registry, { engine, random, logger, run: facts });
  const family = await first.create('model', config.model);
  const initializer = await first.create('initializer', config.initializer);
  const base = buildModel(family, await initializer.checkpointConfig(), {
    section: config.specialTokens,
    generationConfig: await initializer.generationConfig?.(),
  });
  const model = trainedForm(base, config.train);
  const recorded = await findRecord(config, registry);
  const tokenizerFolders = await findTokenizerFolders(config, registry);
  const run = { ...facts, recorded, tokenizerFolders, specialTokens: specialTokenPolicy(model) };
  const components = createComponentFactory(registry, { engine, random, logger, run });
  const ofObjective = isForBatches ? components.forBatches() : components;
  const objective = owned.add('the objective', await ofObjective.create('objective', config.objective));
  const dataset = owned.add('the dataset', await components.create('dataset', config.dataset));
  checkSource(dataset, objective);
  checkModelKind(model, objective);
  return { family, model, objective, dataset, components };
}
