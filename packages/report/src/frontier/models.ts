/** The models that a report compares by quality and cost: runs, with those that differ only in their seed as one. */
import { bootstrapMean, createRandom, type MeanInterval } from '@graft/core';
import { stableJson } from '@graft/core/internal';
import { differingCounts, measurements, type Measurement } from '../measurements';
import { betterOf } from '../metrics';
import type { RunData } from '../read-run';
import { settingsOfModels } from '../titles';

/** A number by which models are compared. */
export interface Axis {
  /** Unique among the axes of a report. */
  readonly key: string;
  readonly title: string;
  readonly unit?: string;
  readonly better: 'less' | 'more';
  /** Of qualities: whether it stands for its measurement, as its first metric does, and the mean of a suite. */
  readonly isMain: boolean;
}

/** One run, or all runs of a config with different seeds. */
export interface ComparedModel {
  readonly title: string;
  /** Indices of its runs. */
  readonly runs: readonly number[];
  /** By the key of an axis: the mean over the runs that have it, with its interval. */
  readonly values: ReadonlyMap<string, MeanInterval>;
}

/** What the models are compared by. */
export interface Comparison {
  readonly models: readonly ComparedModel[];
  /** Axes that at least one model has. */
  readonly qualities: readonly Axis[];
  readonly costs: readonly Axis[];
}

interface Measured {
  readonly axis: Axis;
  /** By the index of the run. */
  readonly values: ReadonlyMap<number, number>;
}

/** Evaluators whose numbers are costs, of the model and the machine. */
const EVALUATORS_OF_COST = ['latency', 'cost'];
/** Those of their numbers that are costs; others are counts, quartiles and rates. */
const COSTS = /(^|[./])(ms|flops|bytesRead|peak\w*Bytes)$/;

/**
 * Groups the runs and gathers their numbers. Qualities are the metrics of which one direction is better, of measurements
 * on the same data; costs are the parameters, the time and memory of the training, and what the evaluators `latency` and
 * `cost` measured.
 */
export function compareModels(runs: readonly RunData[], titles: readonly string[]): Comparison {
  const all = measurements(runs);
  const qualities = all
    .filter(({ use, members }) => !isOfCost(use) && differingCounts(members) === undefined)
    .flatMap(qualitiesOf);
  const costs = [...costsOfRuns(runs), ...all.filter(({ use }) => isOfCost(use)).flatMap(costsOf)];
  const grouped = groups(runs);
  const named = grouped.map(([first]) => ({ name: runs[first].record.name, config: runs[first].config }));
  const settings = settingsOfModels(named);
  const models = grouped.map((members, i): ComparedModel => {
    const title = titleOf(members, runs, { titles, settings: settings[i] });
    const values = [...qualities, ...costs].flatMap(({ axis: { key }, values: measured }) => {
      const own = members.flatMap((run) => measured.get(run) ?? []);
      if (own.length === 0) return [];
      // Of one axis, all models get the same draws, so that differences do not come from them.
      return [[key, bootstrapMean(own, { random: createRandom(0).fork(key) })] as const];
    });
    return { title, runs: members, values: new Map(values) };
  });
  return { models, qualities: axesOf(qualities), costs: axesOf(costs) };
}

const axesOf = (measured: readonly Measured[]): Axis[] =>
  measured.filter(({ values }) => values.size > 0).map(({ axis }) => axis);

const isOfCost = (use: string | undefined): boolean => use !== undefined && EVALUATORS_OF_COST.includes(use);

/** Runs whose configs are equal but for the seed and the name. */
function groups(runs: readonly RunData[]): number[][] {
  const found = new Map<string, number[]>();
  for (const [run, { config, record }] of runs.entries()) {
    const { seed: _seed, name: _name, ...rest } = config;
    const key = stableJson([record.kind ?? 'training', rest]);
    found.set(key, [...(found.get(key) ?? []), run]);
  }
  return [...found.values()].flatMap((members) => {
    // The same seed twice is the same run twice, not a second measurement.
    const seeds = new Set(members.map((run) => runs[run].config.seed));
    return seeds.size === members.length ? [members] : members.map((run) => [run]);
  });
}

function titleOf(
  members: readonly number[],
  runs: readonly RunData[],
  { titles, settings }: { readonly titles: readonly string[]; readonly settings: string | undefined },
): string {
  if (members.length === 1) return titles[members[0]];
  const names = [...new Set(members.map((run) => runs[run].record.name))];
  const others = names.length > 1 ? ' and others' : '';
  return [`${names[0]}${others}`, settings, `(${members.length} seeds)`].filter(Boolean).join(' ');
}

/** First the metrics of the whole measurement, then those of its parts. */
function qualitiesOf(measurement: Measurement): Measured[] {
  const metrics = metricsOf(measurement).filter((metric) => betterOf(metric) !== undefined);
  const sorted = [
    ...metrics.filter((metric) => !metric.includes('/')),
    ...metrics.filter((metric) => metric.includes('/')),
  ];
  return sorted.map((metric, i) => {
    const isSuite = measurement.use === 'benchmarks' && !metric.includes('/');
    return measured(measurement, metric, { better: betterOf(metric)!, isMain: i === 0 || isSuite });
  });
}

const costsOf = (measurement: Measurement): Measured[] =>
  metricsOf(measurement)
    .filter((metric) => COSTS.test(metric))
    .map((metric) => measured(measurement, metric, { better: 'less', isMain: false }));

const metricsOf = ({ members }: Measurement): string[] => [
  ...new Set(members.flatMap(({ last }) => Object.keys(last.metrics))),
];

function measured(
  { key, title, members }: Measurement,
  metric: string,
  facts: Pick<Axis, 'better' | 'isMain'>,
): Measured {
  const values = members.flatMap(({ run, last }): [number, number][] => {
    const value = last.metrics[metric];
    return Number.isFinite(value) ? [[run, value]] : [];
  });
  return {
    axis: { key: `${key} ${metric}`, title: `${title}: ${metric}`, ...facts },
    values: new Map(values),
  };
}

/** What every run costs, whatever was measured. */
function costsOfRuns(runs: readonly RunData[]): Measured[] {
  const cost = (key: string, title: string, unit: string | undefined, of: (run: RunData) => number | undefined) => ({
    axis: { key, title, unit, better: 'less' as const, isMain: false },
    values: new Map(
      runs.flatMap((run, i): [number, number][] => {
        const value = of(run);
        return value !== undefined && Number.isFinite(value) && value > 0 ? [[i, value]] : [];
      }),
    ),
  });
  return [
    cost('parameters', 'Parameters', undefined, ({ record }) => record.parameters),
    cost('training', 'Training', 'seconds, without compiling', ({ totals }) =>
      totals.seconds > 0 ? totals.seconds - (totals.compileSeconds ?? 0) : undefined,
    ),
    cost('memory', 'Largest memory of the process in training', 'GiB', ({ training }) => {
      const values = training.find(({ metric }) => metric === 'residentMemoryBytes')?.values ?? [];
      const known = values.filter((value): value is number => value !== null);
      return known.length === 0 ? undefined : Math.max(...known) / 2 ** 30;
    }),
  ];
}
