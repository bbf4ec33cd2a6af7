import { ConfigError, PluginError } from '@graft/engine';
import { listed } from '@graft/errors';
import type { EvaluationRecord } from '../evaluation/evaluations';
import type { Evaluator } from '../interfaces';
import { didYouMean } from '../util/suggest';

/** A metric of an evaluator, by which training chooses. */
export interface WatchedMetric {
  /** Name of the evaluator and of its metric: `loss/bitsPerByte`. */
  readonly metric: string;
  readonly better: 'less' | 'more';
}

/** When training stops before its last step: at least one of the two. */
export interface StopWhen extends WatchedMetric {
  /** Evaluations in a row without improvement. Default: any number. */
  readonly patience?: number;
  /** By how much a value must be better to be an improvement. Default 0. */
  readonly minDelta?: number;
  /** Value at which the metric is good enough. Default: none. */
  readonly reaches?: number;
}

/** A value of the watched metric. */
export interface ChosenValue {
  readonly step: number;
  readonly value: number;
}

/** An evaluator's name and interval in steps, and the names of its numbers if it says them. */
interface Evaluated {
  readonly name: string;
  readonly every: number;
  readonly evaluator?: Pick<Evaluator, 'metricNames'>;
}

/**
 * Throws ConfigError unless the metric belongs to one of the evaluators, that one runs during training, and measures it as
 * far as it says. `option` names the option in the error.
 */
export function checkWatched({ metric }: WatchedMetric, option: string, evaluators: readonly Evaluated[]): void {
  const owner = ownerOf(metric, evaluators);
  const refuse = (problem: string, hint: string): ConfigError =>
    new ConfigError(`${option}.metric is "${metric}", but ${problem}`, { code: 'training.metric', hint });
  if (!owner) {
    const names = evaluators.map(({ name }) => name);
    const name = metric.split('/')[0];
    throw refuse(
      `no evaluator is called "${name}"${didYouMean(name, names) || '.'}`,
      names.length > 0
        ? `Write EVALUATOR/METRIC; the evaluators are ${names.join(', ')}.`
        : 'The config has no evaluators: add the one that measures it.',
    );
  }
  if (owner.every === 0)
    throw refuse(
      `the evaluator "${owner.name}" runs only at the end (every: 0), so there is nothing to choose from.`,
      'Set its `every` to a number of steps.',
    );
  const name = metric.slice(owner.name.length + 1);
  const known = owner.evaluator?.metricNames;
  if (!known || known.some((one) => one === name || (one.endsWith('*') && name.startsWith(one.slice(0, -1))))) return;
  const names = known.filter((one) => !one.endsWith('*'));
  throw refuse(
    `the evaluator "${owner.name}" measures no "${name}"${didYouMean(name, names) || '.'}`,
    `It measures ${listed(names, LISTED_METRICS)}.`,
  );
}

/** As many names as a reader looks through. */
const LISTED_METRICS = 12;

/** The evaluator whose name begins the metric's; names may contain a slash themselves. */
function ownerOf<E extends { readonly name: string }>(metric: string, evaluators: readonly E[]): E | undefined {
  return evaluators
    .filter(({ name }) => metric.startsWith(`${name}/`))
    .sort((a, b) => b.name.length - a.name.length)
    .at(0);
}

/** Follows a metric through the evaluations of a run. */
export class MetricWatch {
  private bestValue: ChosenValue | undefined;
  private lastValue: ChosenValue | undefined;
  private since = 0;

  /** `minDelta`: by how much a value must be better than the best one. */
  constructor(
    private readonly watched: WatchedMetric,
    private readonly option: string,
    private readonly minDelta = 0,
  ) {}

  get best(): ChosenValue | undefined {
    return this.bestValue;
  }

  get last(): ChosenValue | undefined {
    return this.lastValue;
  }

  /** Evaluations since the best one. */
  get evaluationsSince(): number {
    return this.since;
  }

  /**
   * Takes an evaluation of any evaluator. A value that is not a number is never better. Throws PluginError if the
   * metric's evaluator did not measure it.
   */
  take({ step, evaluator, metrics }: EvaluationRecord): void {
    const { metric, better } = this.watched;
    if (!metric.startsWith(`${evaluator}/`)) return;
    const name = metric.slice(evaluator.length + 1);
    if (!Object.hasOwn(metrics, name)) {
      const known = Object.keys(metrics);
      throw new PluginError(
        `${this.option}.metric is "${metric}", but the evaluator "${evaluator}" measures no "${name}"${didYouMean(name, known) || '.'}`,
        { code: 'training.metric', exitCode: 2, hint: `It measures ${known.join(', ')}.` },
      );
    }
    const value = metrics[name];
    this.lastValue = { step, value };
    const gain = this.bestValue === undefined ? Infinity : this.bestValue.value - value;
    const isBetter = this.bestValue === undefined || (better === 'less' ? gain : -gain) > this.minDelta;
    if (isBetter && !Number.isNaN(value)) {
      this.bestValue = { step, value };
      this.since = 0;
    } else this.since++;
  }
}

const shown = (value: number): string => String(Number(value.toPrecision(6)));

/** Why training should end now, by its evaluations until now; undefined if it should not. */
export function reasonToStop(
  { metric, better, patience, minDelta, reaches }: StopWhen,
  watch: MetricWatch,
): string | undefined {
  const { last, best, evaluationsSince } = watch;
  if (last && reaches !== undefined && (better === 'less' ? last.value <= reaches : last.value >= reaches))
    return `${metric} is ${shown(last.value)}, and ${shown(reaches)} was enough`;
  if (patience === undefined || evaluationsSince < patience) return undefined;
  const times = patience === 1 ? 'one evaluation' : `${patience} evaluations`;
  const before = best ? `${shown(best.value)} (step ${best.step})` : 'nothing';
  const by = minDelta ? ` by more than ${shown(minDelta)}` : '';
  return `${metric} has not been better than ${before}${by} in ${times}`;
}

/** What a run chooses by its evaluations: its best checkpoint, and when to stop. */
export class MetricChoices {
  private readonly watches: { readonly best?: MetricWatch; readonly stop?: MetricWatch };
  private keptStep: number | undefined;

  /** `records`: earlier evaluations of the run. `checkpoints`: the steps of its checkpoints: others cannot be kept. */
  constructor(
    private readonly settings: { readonly keepBest?: WatchedMetric; readonly stopWhen?: StopWhen },
    records: readonly EvaluationRecord[],
    checkpoints: readonly number[],
  ) {
    const { keepBest, stopWhen } = settings;
    this.watches = {
      best: keepBest && new MetricWatch(keepBest, 'train.keepBest'),
      stop: stopWhen && new MetricWatch(stopWhen, 'train.stopWhen', stopWhen.minDelta),
    };
    for (const record of records) {
      if (checkpoints.includes(record.step)) this.watches.best?.take(record);
      this.watches.stop?.take(record);
    }
  }

  take(record: EvaluationRecord): void {
    this.watches.best?.take(record);
    this.watches.stop?.take(record);
  }

  /** The step with the best value; undefined before the first evaluation, and without `keepBest`. */
  get best(): ChosenValue | undefined {
    return this.watches.best?.best;
  }

  /** The best value, if its checkpoint has not been kept yet. */
  get toKeep(): ChosenValue | undefined {
    const { best } = this;
    return best?.step === this.keptStep ? undefined : best;
  }

  kept({ step }: ChosenValue): void {
    this.keptStep = step;
  }

  get stopReason(): string | undefined {
    const { stop } = this.watches;
    const reason = stop && reasonToStop(this.settings.stopWhen!, stop);
    return reason && `train.stopWhen: ${reason}`;
  }
}
