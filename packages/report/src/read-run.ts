import {
  listRuns,
  readRunRecord,
  GraftError,
  JsonProblem,
  readJsonFile,
  streamRegularFile,
  UsageError,
  type EvaluationRecord,
  type RunRecord,
} from '@graft/core';
import type { ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { thin } from './thin';

/** Points of a series that are drawn; the rest is thinned out. */
const DRAWN_POINTS = 2000;

/** One metric over a run. The arrays have one length. */
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

/** What a run folder holds, as far as a report needs it. */
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
    /** Median over the steps; undefined where nothing was trained. */
    readonly tokensPerSecond?: number;
  };
}

/** Reads a run's folder, or a name's (of its latest run). Throws UsageError for what is neither. */
export async function readRun(path: string): Promise<RunData> {
  const folder = await findRun(path);
  const record = await readRunRecord(folder);
  const config = (await readJson(join(folder, 'config.json'))) as Record<string, unknown>;
  const evaluations = ((await readJson(join(folder, 'evaluations.json'), [])) as EvaluationRecord[]).filter(
    (evaluation) => typeof evaluation === 'object' && evaluation !== null,
  );
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

/** The folder of a run, or of the latest run of a name's folder. Throws UsageError for what is neither. */
export async function findRun(path: string): Promise<string> {
  for (const folder of [path, join(path, 'latest')]) {
    const isRun = await stat(join(folder, 'run.json')).then(
      (file) => file.isFile(),
      () => false,
    );
    if (isRun) return resolve(folder);
  }
  // File systems without links have no "latest".
  const newest = (await listRuns(path)).filter(({ record }) => record !== undefined).pop();
  if (newest) return resolve(path, newest.id);
  throw new UsageError(`${path} is not a run: there is no run.json in it, nor in its "latest".`, {
    code: 'report.no-run',
    hint: 'Name a run folder (runs/NAME/ID), or the folder of a name (runs/NAME).',
  });
}

async function readJson(file: string, missing?: unknown): Promise<unknown> {
  try {
    return await readJsonFile(file);
  } catch (cause) {
    if (missing !== undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    const what = cause instanceof JsonProblem ? 'does not hold JSON' : 'cannot be read';
    throw new GraftError(`${file} ${what}: ${(cause as Error).message}.`, { code: 'report.unreadable', cause });
  }
}

interface MetricLines {
  readonly steps: number[];
  readonly tokens: number[];
  readonly seconds: number[];
  /** NaN: not a number, or missing in that line. */
  readonly metrics: Map<string, number[]>;
}

/** Read as a stream. A line that is only half there is what a run is just writing, or was when it was killed. */
async function readMetrics(file: string): Promise<MetricLines> {
  const lines: MetricLines = { steps: [], tokens: [], seconds: [], metrics: new Map() };
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (!exists) return lines;
  for await (const text of createInterface({ input: await metricsStream(file), crlfDelay: Infinity })) {
    let line: Record<string, number | null>;
    try {
      line = JSON.parse(text) as Record<string, number | null>;
    } catch {
      continue;
    }
    const { step, seconds = 0, ...metrics } = line;
    if (typeof step !== 'number') continue;
    const count = lines.steps.push(step);
    lines.seconds.push((lines.seconds.at(-1) ?? 0) + (seconds ?? 0));
    lines.tokens.push((lines.tokens.at(-1) ?? 0) + (metrics.tokensPerSecond ?? 0) * (seconds ?? 0));
    for (const [metric, value] of Object.entries(metrics)) {
      if (!lines.metrics.has(metric)) lines.metrics.set(metric, new Array<number>(count - 1).fill(NaN));
      lines.metrics.get(metric)!.push(value ?? NaN);
    }
    for (const values of lines.metrics.values()) if (values.length < count) values.push(NaN);
  }
  return lines;
}

async function metricsStream(file: string): Promise<ReadStream> {
  return streamRegularFile(file).catch((cause: unknown) => {
    throw new GraftError(`${file} cannot be read: ${(cause as Error).message}.`, { code: 'report.unreadable', cause });
  });
}

/** Bookkeeping of the loop that says nothing about the model. */
const NOT_DRAWN = ['waitSeconds', 'waitShare'];

function trainingSeries({ steps, tokens, seconds, metrics }: MetricLines): Series[] {
  return [...metrics]
    .filter(([metric]) => !NOT_DRAWN.includes(metric))
    .map(([metric, values]) => {
      const kept = thin(values, DRAWN_POINTS);
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
  return [...series].map(([metric, own]) => ({ metric, ...own }));
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[sorted.length >> 1];
}

/** A short name for legends: the run's name, with its id where names come twice. */
export function shortTitles(runs: readonly RunData[]): string[] {
  return runs.map(({ record, title, folder }) => {
    const twins = runs.filter((other) => other.record.name === record.name);
    return twins.length > 1 ? title : record.name || basename(folder);
  });
}
