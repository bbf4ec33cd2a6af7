import { ConfigError, openEngine, type Engine } from '@graft/engine';
import { createComponentFactory } from '../components/factory';
import type { ExperimentConfig, LoadedExperiment, TrainingConfig } from '../config';
import type { Optimizer, RunInfo, Schedule } from '../interfaces';
import { createRandom } from '../random/streams';
import { Trackers } from '../training/trackers';
import { silentLogger, type Logger } from '../util/logger';
import { watchCalls } from '../util/pending';
import { meshSize } from './create-placement';
import { configFacts } from './run-info';
import { prepareTrainer } from './trainer';

/** Options of `findLearningRate`. */
export interface LearningRateOptions {
  /** Learning rate of the first step. Default 1e-7. */
  readonly from?: number;
  /** Learning rate of the last step. Default 1. */
  readonly to?: number;
  /** Number of steps, at least 10. Default 100. */
  readonly steps?: number;
  /** Aborting it ends the test after the current step. */
  readonly signal?: AbortSignal;
  /** An engine that is already open. Default: opens the one in the config. */
  readonly engine?: Engine;
  readonly logger?: Logger;
  readonly onStep?: (point: LearningRatePoint, step: number) => void;
}

/** One step of the test. */
export interface LearningRatePoint {
  readonly learningRate: number;
  /** The loss of the batch before the update with this rate. */
  readonly loss: number;
  /** Moving average of the losses until here. */
  readonly smoothed: number;
}

/** What a learning-rate range test measured. */
export interface LearningRateRange {
  readonly points: readonly LearningRatePoint[];
  /** The rate at which the smoothed loss falls fastest by the logarithm of the rate; undefined if it never falls. */
  readonly steepest?: number;
  /** The rate at which the smoothed loss is lowest; undefined if it never falls. A tenth of it is a usual choice. */
  readonly lowest?: number;
  /** `diverged`: the loss grew far beyond its lowest value, or was not a number. */
  readonly ended: 'finished' | 'diverged' | 'interrupted';
}

const LEAST_STEPS = 10;
/** Share of the average that a new loss does not replace: losses of single batches are noisy. */
const SMOOTHING = 0.9;
/** The test ends when the smoothed loss is this multiple of its lowest value. */
const DIVERGENCE = 4;

/**
 * Learning-rate range test (Smith, 2015): trains a few steps, each with a higher learning rate than the one before, at
 * equal ratios. Leaves no run folder. The rates replace those of the schedule; everything else is the config's. Throws
 * ConfigError for a range that does not rise.
 */
export async function findLearningRate(
  { config: given, registry }: LoadedExperiment,
  { from = 1e-7, to = 1, steps = 100, ...options }: LearningRateOptions = {},
): Promise<LearningRateRange> {
  checkRange(from, to, steps);
  const logger = options.logger ?? silentLogger();
  const config = configOfTest(given, steps);
  const { precision, mesh, loader } = config.train;
  const engine = options.engine ?? (await openEngine({ ...config.engine, precision, devices: meshSize(mesh) }));
  logger.info(`Engine: ${engine.description}`);
  const random = createRandom(config.seed);
  const run: RunInfo = { name: config.name, id: '', folder: '', ...configFacts(config) };
  const components = createComponentFactory(registry, { engine, random, logger, run });
  const range = new RangeTest();
  const stopped = new AbortController();
  const stopWatching = watchCalls(loader.warnAfterSeconds, (sentence) => logger.warn(sentence));
  try {
    const trainer = await prepareTrainer({
      ...{ config, registry, engine, run, random, components, logger },
      trackers: new Trackers([], logger),
      quiet: true,
      schedule: (optimizer) => risingSchedule(optimizer, from, to),
      signal: options.signal ? AbortSignal.any([options.signal, stopped.signal]) : stopped.signal,
      onStep: (step, { learningRate, loss }) => {
        const point = range.take(learningRate, loss);
        options.onStep?.(point, step);
        if (range.isDiverged) stopped.abort();
      },
    });
    try {
      const { status } = await trainer.loop.run();
      return range.result(range.isDiverged ? 'diverged' : status);
    } finally {
      await trainer.dispose();
    }
  } finally {
    stopWatching();
  }
}

function checkRange(from: number, to: number, steps: number): void {
  const refuse = (problem: string): ConfigError =>
    new ConfigError(`The range of learning rates ${problem}.`, {
      code: 'training.learning-rate-range',
      exitCode: 2,
      hint: 'Give a range such as 1e-7 to 1, and 100 steps.',
    });
  if (!(from > 0 && to > from && Number.isFinite(to)))
    throw refuse(`goes from ${from} to ${to}, but must rise from a number above 0`);
  if (!(Number.isInteger(steps) && steps >= LEAST_STEPS))
    throw refuse(`has ${steps} steps, but needs ${LEAST_STEPS} or more`);
}

/** Without what a run does besides its steps, and what would end it when the loss grows. */
function configOfTest(config: ExperimentConfig, steps: number): TrainingConfig {
  const { keepBest: _best, stopWhen: _stop, tokens: _tokens, epochs: _epochs, ...train } = config.train;
  return {
    ...config,
    evaluators: [],
    trackers: [],
    callbacks: [],
    train: { ...train, steps, checkpointEvery: 0, nonFinite: 'skip', explodingLossFactor: 0 },
  };
}

/** Makes the optimizer's learning rate rise from `from` at the first step to `to` at the last, at equal ratios. */
function risingSchedule({ learningRate: base }: Optimizer, from: number, to: number): Schedule {
  if (base === 0)
    throw new ConfigError('optimizer.learningRate is 0, so that no schedule can raise it.', {
      code: 'training.learning-rate-range',
      exitCode: 2,
      hint: 'Set it to any other number: the test chooses the rates itself.',
    });
  return { factor: (step, total) => (from * (to / from) ** (step / (total - 1))) / base };
}

/** The losses of a range test, and what follows from them. */
export class RangeTest {
  private readonly points: LearningRatePoint[] = [];
  private average = 0;
  private least = Infinity;
  private diverged = false;

  get isDiverged(): boolean {
    return this.diverged;
  }

  take(learningRate: number, loss: number): LearningRatePoint {
    this.average = SMOOTHING * this.average + (1 - SMOOTHING) * loss;
    // The average begins with 0, which has no weight in this quotient.
    const smoothed = this.average / (1 - SMOOTHING ** (this.points.length + 1));
    const point = { learningRate, loss, smoothed };
    this.points.push(point);
    this.least = Math.min(this.least, smoothed);
    this.diverged ||= !Number.isFinite(loss) || (this.least > 0 && smoothed > DIVERGENCE * this.least);
    return point;
  }

  result(ended: LearningRateRange['ended']): LearningRateRange {
    // What diverged says nothing about where the loss falls.
    const points = this.points.filter(({ smoothed }) => Number.isFinite(smoothed));
    const lowest = points.reduce((a, b) => (b.smoothed < a.smoothed ? b : a), points[0]);
    const until = points.indexOf(lowest);
    let [steepest, fall] = [undefined as number | undefined, 0];
    for (let i = 1; i <= until; i++) {
      const [a, b] = [points[i - 1], points[i]];
      const slope = (b.smoothed - a.smoothed) / Math.log(b.learningRate / a.learningRate);
      if (slope < fall) [steepest, fall] = [b.learningRate, slope];
    }
    return {
      points: this.points,
      ...(steepest !== undefined && { steepest, lowest: lowest.learningRate }),
      ended,
    };
  }
}
