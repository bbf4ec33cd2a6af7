/** The metrics of a sweep's table, checked before its trials run for hours. */
import { ConfigError } from '@graft/engine';
import { evaluatorSection } from '../config';
import { problemOfMetric } from '../config/metric-names';
import { didYouMean } from '../util/suggest';
import type { SweepSection } from './schema';
import { isTraining, type Trial } from './trial';

/** Numbers of a training that a table may have, beside the metrics of evaluations. */
export const TRAINING_NUMBERS = ['loss', 'steps', 'parameters', 'tokens', 'seconds', 'tokensPerSecond'] as const;

/** Of these, what a trial that only evaluates has. */
const EVALUATION_NUMBERS = ['parameters'] as const;

/** Throws ConfigError for a metric that is none of a trial's numbers, and whose evaluator no trial has. */
export function checkMetrics(metrics: SweepSection['metrics'], trials: readonly Trial[], file: string): void {
  const evaluators = trials.flatMap(({ loaded }) => loaded.config.evaluators.map(evaluatorSection));
  const distinct = [...new Map(evaluators.map((one) => [one.name, one])).values()];
  const numbers: readonly string[] = trials.every(isTraining) ? TRAINING_NUMBERS : EVALUATION_NUMBERS;
  for (const { metric } of metrics ?? []) {
    if (numbers.includes(metric)) continue;
    const nearest = metric.includes('/') ? '' : didYouMean(metric, numbers);
    const problem = nearest ? `a trial has no such number${nearest}` : problemOfMetric(metric, distinct);
    if (problem === undefined) continue;
    throw new ConfigError(
      `${file}: the metric "${metric}" cannot be in the table: ${problem}${problem.endsWith('?') ? '' : '.'}`,
      {
        code: 'sweep.metric',
        hint: `Give EVALUATOR/METRIC, or a number of a trial: ${numbers.join(', ')}.`,
      },
    );
  }
}
