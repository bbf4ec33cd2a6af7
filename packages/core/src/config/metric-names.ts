/** Metrics as a config names them: EVALUATOR/METRIC. */
import { didYouMean } from '../util/suggest';

/** An evaluator's name and interval in steps. */
interface Evaluated {
  readonly name: string;
  readonly every: number;
}

/**
 * Why training cannot choose by a metric, as a sentence: none of the evaluators measures it, or not during training.
 * undefined: it can.
 */
export function problemOfWatched(
  { metric }: { readonly metric: string },
  evaluators: readonly Evaluated[],
): string | undefined {
  const missing = problemOfMetric(metric, evaluators);
  if (missing !== undefined) return missing;
  const { name, every } = ownerOf(metric, evaluators)!;
  if (every > 0) return undefined;
  return `the evaluator "${name}" runs only at the end (every: 0), so there is nothing to choose from; set its \`every\` to a number of steps`;
}

/** Why no evaluator measures a metric, as a sentence; undefined if one may. What it measures, only it knows. */
export function problemOfMetric(metric: string, evaluators: readonly Pick<Evaluated, 'name'>[]): string | undefined {
  if (ownerOf(metric, evaluators)) return undefined;
  const names = evaluators.map(({ name }) => name);
  const [name] = metric.split('/');
  const known =
    names.length > 0
      ? `write EVALUATOR/METRIC, where the evaluators are ${names.join(', ')}`
      : 'the config has no evaluators: add the one that measures it';
  return `no evaluator is called "${name}"${didYouMean(name, names) || `; ${known}`}`;
}

/** Whether an evaluator that says what it measures (`Evaluator.metricNames`) measures a number of that name. */
export const isMeasured = (name: string, metricNames: readonly string[]): boolean =>
  metricNames.some((one) => one === name || (one.endsWith('*') && name.startsWith(one.slice(0, -1))));

/** That the evaluator which a metric names does not measure it, as a sentence; `known`: what it measures. */
export function unmeasured(metric: string, option: string, evaluator: string, known: readonly string[]): string {
  const name = nameIn(metric, evaluator);
  return `${option}.metric is "${metric}", but the evaluator "${evaluator}" measures no "${name}"${didYouMean(name, known) || '.'}`;
}

/** What a metric calls the number of its evaluator: `piqa/accuracy` in `benchmarks/piqa/accuracy`. */
export const nameIn = (metric: string, evaluator: string): string => metric.slice(evaluator.length + 1);

/** The evaluator whose name begins the metric's; names may contain a slash themselves. */
export function ownerOf<E extends { readonly name: string }>(metric: string, evaluators: readonly E[]): E | undefined {
  return evaluators
    .filter(({ name }) => metric.startsWith(`${name}/`))
    .sort((a, b) => b.name.length - a.name.length)
    .at(0);
}
