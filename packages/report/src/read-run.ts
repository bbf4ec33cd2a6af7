import {
  findRunFolder,
  readMetrics,
  UsageError,
  type EvaluationRecord,
  type MetricLines,
  type RunRecord,
} from '@graft/core';
import { maskedForMessage } from '@graft/core/internal';
import { basename, join } from 'node:path';
import { readRecords } from './records';
import { downsample } from './downsample';

/** Maximum number of points drawn per series; longer ones are downsampled. */
const DRAWN_POINTS = 2000;

/** One metric over a run. The arrays have equal lengths. */
export interface Series {
  readonly metric: string;
  /** Steps done. */
  readonly steps: readonly number[];
  /** Tokens trained on until then. */
  readonly tokens: readonly number[];
  /** Seconds of training until then. */
  readonly seconds: readonly number[];
  /** null: not a number. */
  readonly values: readonly (number | null)[];
}

/** The contents of a run folder that a report needs. */
export interface RunData {
  readonly folder: string;
  /** `name/id`. */
  readonly title: string;
  readonly record: RunRecord;
  readonly config: Readonly<Record<string, unknown>>;
  /** Metrics of training: loss first. */
  readonly training: readonly Series[];
  /** Metrics of evaluations, `evaluator/metric`. */
  readonly evaluated: readonly Series[];
  readonly evaluations: readonly EvaluationRecord[];
  readonly totals: {
    readonly tokens: number;
    readonly seconds: number;
    /** Median over the steps; undefined if nothing was trained. */
    readonly tokensPerSecond?: number;
  };
}

/**
 * Reads the folder of a run, or of a name (its latest run). Throws UsageError if it is neither, GraftError for a
 * malformed file.
 */
export async function readRun(path: string): Promise<RunData> {
  const folder = await findRun(path);
  const { record, config, evaluations } = await readMasked(folder);
  const lines = await readMetrics(join(folder, 'metrics.jsonl'));
  return {
    folder,
    title: `${record.name}/${record.id}`,
    record,
    config,
    training: trainingSeries(lines),
    evaluated: evaluationSeries(evaluations, lines),
    evaluations,
    totals: {
      tokens: lines.tokens.at(-1) ?? 0,
      seconds: lines.seconds.at(-1) ?? 0,
      tokensPerSecond: median(lines.metrics.get('tokensPerSecond') ?? []),
    },
  };
}

/** Runs of earlier versions contain tokens and passwords in the clear. */
async function readMasked(folder: string): ReturnType<typeof readRecords> {
  return maskedForMessage(await readRecords(folder)) as Awaited<ReturnType<typeof readRecords>>;
}

/** The folder of a run, or of the latest run of a name's folder. Throws UsageError if it is neither. */
export async function findRun(path: string): Promise<string> {
  const found = await findRunFolder(path);
  if (found !== undefined) return found;
  throw new UsageError(`${path} is not a run: there is no run.json in it, nor in its "latest".`, {
    code: 'report.no-run',
    hint: 'Name a run folder (runs/NAME/ID), or the folder of a name (runs/NAME).',
  });
}

/** Bookkeeping of the loop that is unrelated to the model. */
const NOT_DRAWN = ['waitSeconds', 'waitShare'];

function trainingSeries({ steps, tokens, seconds, metrics }: MetricLines): Series[] {
  return [...metrics]
    .filter(([metric]) => !NOT_DRAWN.includes(metric))
    .map(([metric, values]) => {
      const kept = downsample(values, DRAWN_POINTS);
      const of = (all: readonly number[]): number[] => kept.map((index) => all[index]);
      return {
        metric,
        steps: of(steps),
        tokens: of(tokens).map(Math.round),
        seconds: of(seconds),
        values: of(values).map((value) => (Number.isFinite(value) ? value : null)),
      };
    });
}

function evaluationSeries(evaluations: readonly EvaluationRecord[], lines: MetricLines): Series[] {
  const lineOf = new Map(lines.steps.map((step, i) => [step, i]));
  const series = new Map<string, { steps: number[]; tokens: number[]; seconds: number[]; values: (number | null)[] }>();
  for (const { step, evaluator, metrics } of evaluations) {
    const line = lineOf.get(step);
    for (const [metric, value] of Object.entries(metrics)) {
      const name = `${evaluator}/${metric}`;
      if (!series.has(name)) series.set(name, { steps: [], tokens: [], seconds: [], values: [] });
      const own = series.get(name)!;
      own.steps.push(step);
      own.tokens.push(line === undefined ? 0 : Math.round(lines.tokens[line]));
      own.seconds.push(line === undefined ? 0 : lines.seconds[line]);
      own.values.push(Number.isFinite(value) ? value : null);
    }
  }
  return [...series].map(([metric, own]) => {
    const kept = downsample(
      own.values.map((value) => value ?? NaN),
      DRAWN_POINTS,
    );
    const of = <T>(all: readonly T[]): T[] => kept.map((index) => all[index]);
    return { metric, steps: of(own.steps), tokens: of(own.tokens), seconds: of(own.seconds), values: of(own.values) };
  });
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[sorted.length >> 1];
}

/** A short name for legends: the run's name, with its id if names repeat. */
export function shortTitles(runs: readonly RunData[]): string[] {
  return runs.map(({ record, title, folder }) => {
    const twins = runs.filter((other) => other.record.name === record.name);
    return twins.length > 1 ? title : record.name || basename(folder);
  });
}
