import { ConfigError, DataError, openEngine, type Engine } from '@graft/engine';
import type { LoadedExperiment, LoadedTraining, TrainingConfig } from '../config';
import { BatchLoader } from '../data/loader';
import type { Dataset, Objective, RunInfo } from '../interfaces';
import { createRandom, STREAMS } from '../random/streams';
import { silentLogger, type Logger } from '../util/logger';
import { ResourceScope } from './resource-scope';
import { configFacts } from './run-info';
import { openTrainingData, type TrainingData } from './training-data';

/** Batches whose mean number of tokens counts: batches of texts of different lengths differ. */
const COUNTED_BATCHES = 16;

/** Options of `withTrainingSteps`. */
export interface TrainingStepsOptions {
  /** Default: the portable one, since nothing is computed. */
  readonly engine?: Engine;
  /** For what goes wrong when the data are closed. Default: silent. */
  readonly logger?: Logger;
}

/**
 * The config with its number of steps, if it gives `train.tokens` or `train.epochs` instead: everything behind it sees
 * steps alone. For them it opens the data, and for tokens it reads the first batches; the same config and data give the
 * same number. Throws ConfigError if the data do not say how long an epoch is, and what the run would throw before its
 * first step.
 */
export async function withTrainingSteps(
  { config, registry }: LoadedExperiment,
  { engine: given, logger = silentLogger() }: TrainingStepsOptions = {},
): Promise<LoadedTraining> {
  const { steps: written, stepsFrom, tokens, epochs, ...train } = config.train;
  const withSteps = (steps: number, from?: StepsFrom): LoadedTraining => ({
    config: { ...config, train: { ...train, steps, ...(from && { stepsFrom: from }) } },
    registry,
  });
  // A run's config.json, given as a config; with other steps than its own they come from nothing else.
  if (written !== undefined) return withSteps(written, stepsFrom?.steps === written ? stepsFrom : undefined);
  const engine = given ?? (await openEngine({ mode: 'portable' }));
  const random = createRandom(config.seed);
  const owned = new ResourceScope(logger);
  // The run's length is not known yet, and an objective may ask for what it can do at each step until then.
  const facts: RunInfo = { name: config.name, id: '', folder: config.runs, ...configFacts(config), totalSteps: 1 };
  try {
    const loaded = { config, registry };
    const data = await openTrainingData(loaded, { engine, random, logger, facts, owned, isForBatches: true });
    const { steps, because } =
      epochs === undefined
        ? await stepsOfTokens(tokens!, data, loaded)
        : stepsOfEpochs(epochs, data, `dataset "${config.dataset.use}"`, train.batchSize);
    const from = epochs === undefined ? { tokens } : { epochs };
    return { ...withSteps(steps, { ...from, steps }), stepsNote: because };
  } finally {
    await owned.dispose();
  }
}

type StepsFrom = NonNullable<TrainingConfig['train']['stepsFrom']>;

interface Found {
  readonly steps: number;
  /** A sentence. */
  readonly because: string;
}

const number = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 1 });

const stepsText = (steps: number): string => (steps === 1 ? '1 step' : `${number(steps)} steps`);

/** Rounded up, but not for the error of a product of decimal fractions. */
const roundUp = (value: number): number => Math.max(1, Math.ceil(value - 1e-9 * value));

/** A step more where the last epoch ends within a batch, unless the dataset does not fill it from another epoch. */
function stepsOfEpochs(
  epochs: number,
  { dataset, objective }: { readonly dataset: Dataset; readonly objective: Pick<Objective, 'exampleTokens'> },
  name: string,
  batchSize: number,
): Found {
  const { length, repeats, kind } = dataset;
  const refuse = (problem: string, hint: string): ConfigError =>
    new ConfigError(`train.epochs is ${epochs}, but ${problem}.`, { code: 'training.epochs', hint });
  const inSteps = 'Give train.steps or train.tokens instead.';
  if (dataset.select)
    throw refuse(`${name} draws from several sets of examples, so that no epoch is a number of them`, inSteps);
  if (dataset.cut && objective.exampleTokens)
    throw refuse(`${name} is cut into examples whose lengths the objective draws`, inSteps);
  if (length === undefined) throw refuse(`${name} does not know how many examples it has`, inSteps);
  if (repeats === false && epochs > 1)
    throw refuse(`${name} ends after one epoch`, 'Let the dataset repeat, or lower train.epochs.');
  const perStep = kind === 'examples' ? batchSize : 1;
  const exact = (epochs * length) / perStep;
  const steps = repeats === false ? Math.max(1, Math.floor(exact + 1e-9 * exact)) : roundUp(exact);
  const each =
    kind === 'examples' ? `${number(length)} examples, ${number(perStep)} a step` : `${number(length)} batches`;
  return { steps, because: `train.epochs ${epochs} is ${stepsText(steps)}: an epoch of ${name} has ${each}.` };
}

async function stepsOfTokens(tokens: number, data: TrainingData, { config }: LoadedExperiment): Promise<Found> {
  const counts = await tokensOfBatches(data, config);
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  if (mean === 0)
    throw new ConfigError('train.tokens is given, but the first batches have no token that counts.', {
      code: 'training.tokens',
      hint: 'Give train.steps instead.',
    });
  const steps = roundUp(tokens / mean);
  const isSame = counts.every((count) => count === counts[0]);
  const each = isSame ? 'a batch' : `a batch, by the mean of the first ${counts.length},`;
  return {
    steps,
    because: `train.tokens ${number(tokens)} is ${stepsText(steps)}: ${each} has ${number(mean)} tokens.`,
  };
}

/** Tokens of the run's first batches, as `tokensPerSecond` counts them; of all there are, if the data end earlier. */
async function tokensOfBatches(
  { dataset, objective, model }: TrainingData,
  { seed, train }: LoadedExperiment['config'],
): Promise<number[]> {
  const random = createRandom(seed);
  const drawn = random.fork(STREAMS.dropout).fork('variant');
  const loader = new BatchLoader({
    dataset,
    objective,
    model,
    batchSize: train.batchSize,
    random: random.fork(STREAMS.data),
    step: 0,
    variantAt: (at) => objective.variantAt?.(at, drawn),
  });
  const counts: number[] = [];
  try {
    while (counts.length < COUNTED_BATCHES) counts.push((await loader.next()).tokens);
  } catch (error) {
    if (counts.length === 0 || !(error instanceof DataError) || error.code !== 'data.ended') throw error;
  } finally {
    await loader.close();
  }
  return counts;
}
