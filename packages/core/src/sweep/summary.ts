/** The table of a sweep: for each point the mean of every metric over its seeds, with an interval, and the best ones. */
import { createRandom } from '../random/streams';
import { bootstrapMean, type MeanInterval } from '../random/bootstrap';
import type { SweepPoint } from './points';

/** Which of two values of a metric is better: the smaller or the larger one. */
export type Better = 'less' | 'more';

/** The numbers of a finished run. */
export interface TrialNumbers {
  /** Index of the trial's point. */
  readonly point: number;
  /** `evaluator/metric` for evaluations, other names for the training. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** A row of the table. */
export interface PointSummary {
  readonly point: SweepPoint;
  /** How many of its trials are finished, and how many there are. */
  readonly finished: number;
  readonly trials: number;
  readonly metrics: Readonly<Record<string, MeanInterval>>;
  /** The metrics in which no other point has a better mean. */
  readonly best: readonly string[];
}

/** What `summarize` needs. */
export interface SummaryRequest {
  readonly points: readonly SweepPoint[];
  /** The number of trials of each point. */
  readonly trialsPerPoint: number;
  readonly numbers: readonly TrialNumbers[];
  /** undefined: of this metric no value is better than another. */
  readonly better: (metric: string) => Better | undefined;
}

/**
 * One row for each point. A metric that some trials of a point lack is the mean of those that have it (`count`). The best
 * mean is marked where at least two points have the metric; points with fewer finished trials count like the others.
 */
export function summarize({ points, trialsPerPoint, numbers, better }: SummaryRequest): PointSummary[] {
  const random = createRandom(0).fork('bootstrap');
  const rows = points.map((point, index) => {
    const own = numbers.filter((one) => one.point === index);
    const names = [...new Set(own.flatMap(({ metrics }) => Object.keys(metrics)))];
    const metrics = Object.fromEntries(
      names.map((name) => {
        const values = own.flatMap(({ metrics: all }) => (Object.hasOwn(all, name) ? [all[name]] : []));
        // The same draws for every point: differences between points do not come from them.
        return [name, bootstrapMean(values, { random: random.fork(name) })];
      }),
    );
    return { point, finished: own.length, trials: trialsPerPoint, metrics };
  });
  return rows.map((row) => ({
    ...row,
    best: Object.entries(row.metrics).flatMap(([name, { mean }]) => (mean === bestMean(name) ? [name] : [])),
  }));

  function bestMean(name: string): number | undefined {
    const direction = better(name);
    const means = rows.map(({ metrics }) => metrics[name]?.mean).filter((mean) => Number.isFinite(mean));
    if (direction === undefined || means.length < 2) return undefined;
    return direction === 'less' ? Math.min(...means) : Math.max(...means);
  }
}
