import { PluginError } from '@graft/engine';
import type { EvaluationRecord } from '../evaluation/evaluations';
import { nameIn, ownerOf, unmeasured } from '../config/metric-names';

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

/** Follows a metric through the evaluations of a run. */
export class MetricWatch {
  private bestValue: ChosenValue | undefined;
  private lastValue: ChosenValue | undefined;
  private since = 0;

  private readonly owner: string | undefined;
  private readonly minDelta: number;

  /** `evaluators`: those of the run. `minDelta`: by how much a value must be better than the best one, by default 0. */
  constructor(
    private readonly watched: WatchedMetric,
    private readonly option: string,
    {
      evaluators,
      minDelta = 0,
    }: { readonly evaluators: readonly { readonly name: string }[]; readonly minDelta?: number },
  ) {
    this.owner = ownerOf(watched.metric, evaluators)?.name;
    this.minDelta = minDelta;
  }

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
    if (evaluator !== this.owner) return;
    const name = nameIn(metric, evaluator);
    if (!Object.hasOwn(metrics, name)) {
      const known = Object.keys(metrics);
      throw new PluginError(unmeasured(metric, this.option, evaluator, known), {
        code: 'training.metric',
        exitCode: 2,
        hint: `It measures ${known.join(', ')}.`,
      });
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

  /**
   * `evaluators`: those of the run. `records`: its earlier evaluations. `checkpoints`: the steps of its checkpoints: others
   * cannot be kept.
   */
  constructor(
    private readonly settings: { readonly keepBest?: WatchedMetric; readonly stopWhen?: StopWhen },
    evaluators: readonly { readonly name: string }[],
    records: readonly EvaluationRecord[],
    checkpoints: readonly number[],
  ) {
    const { keepBest, stopWhen } = settings;
    this.watches = {
      best: keepBest && new MetricWatch(keepBest, 'train.keepBest', { evaluators }),
      stop: stopWhen && new MetricWatch(stopWhen, 'train.stopWhen', { evaluators, minDelta: stopWhen.minDelta }),
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
