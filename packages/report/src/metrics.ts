/** Titles, units and directions of the metrics that Graft's own components have. */
import type { RunData } from './read-run';

export interface MetricFacts {
  readonly title: string;
  readonly unit?: string;
  /** Values are divided by this before they are drawn. */
  readonly divisor?: number;
}

const TRAINING: Readonly<Record<string, MetricFacts>> = {
  loss: { title: 'Training loss' },
  gradNorm: { title: 'Gradient norm' },
  learningRate: { title: 'Learning rate' },
  tokensPerSecond: { title: 'Throughput in tokens', unit: 'tokens per second' },
  samplesPerSecond: { title: 'Throughput in samples', unit: 'samples per second' },
  stepSeconds: { title: 'Time of a step', unit: 'seconds, without compiling' },
  waitShare: { title: 'Waiting for data', unit: 'share of the time of a step' },
  targetTokens: { title: 'Target tokens', unit: 'tokens per step' },
  residentMemoryBytes: { title: 'Memory of the process', unit: 'GiB', divisor: 2 ** 30 },
  cpuCores: { title: 'Use of the processor', unit: 'cores busy, on average over a step' },
};

/** Metrics about the speed of a run, rather than the quality of its model. */
const OF_SPEED = ['tokensPerSecond', 'samplesPerSecond', 'stepSeconds', 'waitShare', 'targetTokens'];

/** Metrics about what a run uses of its machine. */
const OF_HARDWARE = ['residentMemoryBytes', 'cpuCores'];

/** The part of the page in which a training metric is drawn. */
export function sectionOf(metric: string): 'model' | 'speed' | 'hardware' {
  if (OF_HARDWARE.includes(metric)) return 'hardware';
  return OF_SPEED.includes(metric) ? 'speed' : 'model';
}

/** Not a plain property lookup, because a metric may have the name `constructor`. */
export const trainingFacts = (metric: string): MetricFacts =>
  Object.hasOwn(TRAINING, metric) ? TRAINING[metric] : { title: metric };

/** Objectives whose loss is the mean cross-entropy of a target token, unless an option adds another term. */
const CROSS_ENTROPY = ['prefix-lm', 'ul2', 'causal-lm', 'seq2seq'];
export const NATS = 'nats per target token';

/** The unit of a run's training loss; undefined if it is unknown. */
export function lossUnit({ config }: Pick<RunData, 'config'>): string | undefined {
  return objectiveUnit(config.objective);
}

function objectiveUnit(objective: unknown): string | undefined {
  const { use, ...options } = (objective ?? {}) as Readonly<Record<string, unknown>>;
  const adds = ['labelSmoothing', 'zLoss', 'distillation'].some((option) => Boolean(options[option]));
  return typeof use === 'string' && CROSS_ENTROPY.includes(use) && !adds ? NATS : undefined;
}

/** The unit of an evaluator's metric, by the component that measured it; undefined: none, or unknown. */
export function evaluatedUnit(metric: string, use: string | undefined): string | undefined {
  const parts = metric.split('/');
  if (parts.includes('loss')) return use === 'loss' ? NATS : undefined;
  if (parts.includes('bitsPerByte')) return use === 'loss' ? 'bits per byte of the target text' : undefined;
  return parts.some((part) => /^(accuracy|f1\w*|exactMatch)$/.test(part)) ? 'from 0 to 1' : undefined;
}

/** Whether a metric of an evaluation tells how much was measured, which is the same in every evaluation. */
export const isExtent = (metric: string): boolean =>
  metric.split('/').some((part) => part === 'tokens' || part === 'bytes');

/** Whether smaller or larger values of a metric are better; undefined: neither. */
export function betterOf(metric: string): 'less' | 'more' | undefined {
  if (/(^|\W)(loss|perplexity|bitsPerByte|crossEntropy|divergence)$/.test(metric)) return 'less';
  // A mixture has one metric per part: `loss/ul2`.
  if (/^(loss|perplexity|bitsPerByte)\//.test(metric)) return 'less';
  if (/(^|\W)(accuracy\w*|f1|exactMatch|flexibleMatch|trueShare|passAt\d+|mean|partialMean)$/.test(metric))
    return 'more';
  if (/(^|\W)(bleu|chrf|rouge\w+|pretraining|instruction|superglue)$/i.test(metric)) return 'more';
  return undefined;
}
