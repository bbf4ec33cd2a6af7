import {
  findRunFolder,
  readMetrics,
  UsageError,
  type EvaluationRecord,
  type MetricLines,
  type RunRecord,
} from '@graft/core';
import { maskedForMessage } from '@graft/core/internal';
import { join } from 'node:path';
import { readRecords } from './records';
import { downsample } from './downsample';
import { readAnsweredRows, type AnsweredRow } from './rows/read-rows';

/** Maximum number of points per drawn series; longer series are downsampled. */
const DRAWN_POINTS = 2000;

/** One metric over a run. The arrays have equal lengths. */
export interface Series {
  readonly metric: string;
  /** The evaluator that measured it; absent for training metrics. */
  readonly evaluator?: string;
  /** Number of completed steps. */
  readonly steps: readonly number[];
  /** Tokens trained on so far; null: metrics.jsonl does not contain a line for the step. */
  readonly tokens: readonly (number | null)[];
  /** Seconds of training so far, including compilation; null as above. */
  readonly seconds: readonly (number | null)[];
  /** Seconds of tracing and compilation so far, included in `seconds`; absent if nothing was compiled. */
  readonly compileSeconds?: readonly (number | null)[];
  /** null: NaN. */
  readonly values: readonly (number | null)[];
}

/** The contents of a run folder that a report needs. */
export interface RunData {
  readonly folder: string;
  /** `name/id`. */
  readonly title: string;
  readonly record: RunRecord;
  readonly config: Readonly<Record<string, unknown>>;
  /** Training metrics, loss first; `stepSeconds` and `samplesPerSecond` are derived from the duration of each step. */
  readonly training: readonly Series[];
  /** Metrics of evaluations: `evaluator/metric`. */
  readonly evaluated: readonly Series[];
  readonly evaluations: readonly EvaluationRecord[];
  /** The rows that its newest evaluation asked, by task. */
  readonly rows: ReadonlyMap<string, readonly AnsweredRow[]>;
  /** Number of sequences per step; absent if the config does not determine it (datasets of ready batches). */
  readonly samplesPerStep?: number;
  readonly totals: {
    readonly tokens: number;
    readonly seconds: number;
    /** Seconds of tracing and compilation, included in `seconds`. */
    readonly compileSeconds?: number;
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
  const compileSeconds = compiledUntil(lines);
  const samplesPerStep = samplesOf(config);
  return {
    folder,
    title: `${record.name}/${record.id}`,
    record,
    config,
    training: trainingSeries(withDerived(lines, samplesPerStep), compileSeconds),
    evaluated: evaluationSeries(evaluations, lines, compileSeconds),
    evaluations,
    rows: await readAnsweredRows(folder),
    samplesPerStep,
    totals: {
      tokens: lines.tokens.at(-1) ?? 0,
      seconds: lines.seconds.at(-1) ?? 0,
      compileSeconds: compileSeconds?.at(-1),
      tokensPerSecond: median(lines.metrics.get('tokensPerSecond') ?? []),
    },
  };
}

/** Masks secrets, because runs of earlier versions contain tokens and passwords in plain text. */
async function readMasked(folder: string): ReturnType<typeof readRecords> {
  return maskedForMessage(await readRecords(folder)) as Awaited<ReturnType<typeof readRecords>>;
}

/** The folder of a run; for the folder of a name, its latest run. Throws UsageError if it is neither. */
export async function findRun(path: string): Promise<string> {
  const found = await findRunFolder(path);
  if (found !== undefined) return found;
  throw new UsageError(`${path} is not a run: there is no run.json in it, nor in its "latest".`, {
    code: 'report.no-run',
    hint: 'Name a run folder (runs/NAME/ID), or the folder of a name (runs/NAME).',
  });
}

/** Metrics of the loop that do not describe the model, or that the report shows elsewhere. */
const NOT_DRAWN = ['waitSeconds', 'compileSeconds'];

/** Number of sequences per step. A dataset of ready batches (`tensors`) determines its own batch size. */
function samplesOf(config: Readonly<Record<string, unknown>>): number | undefined {
  const { train, dataset } = config as { train?: { batchSize?: unknown } | null; dataset?: { use?: unknown } | null };
  const size = train?.batchSize;
  return typeof size === 'number' && size > 0 && dataset?.use !== 'tensors' ? size : undefined;
}

/** For each line, the seconds of compilation so far; undefined if nothing was compiled. */
function compiledUntil({ metrics }: MetricLines): number[] | undefined {
  let sum = 0;
  return metrics.get('compileSeconds')?.map((own) => (sum += Number.isFinite(own) ? own : 0));
}

/** Adds metrics derived from the duration of each step, which does not include compilation. */
function withDerived(lines: MetricLines, samplesPerStep: number | undefined): MetricLines {
  const { seconds, metrics } = lines;
  const compiled = metrics.get('compileSeconds');
  const durations = seconds.map((until, i) => until - (i > 0 ? seconds[i - 1] : 0));
  const derived = new Map<string, number[]>();
  if (durations.some((duration) => duration > 0)) {
    derived.set(
      'stepSeconds',
      durations.map((duration, i) => (duration > 0 ? duration - (compiled?.[i] || 0) : NaN)),
    );
    if (samplesPerStep !== undefined)
      derived.set(
        'samplesPerSecond',
        durations.map((duration) => (duration > 0 ? samplesPerStep / duration : NaN)),
      );
  }
  // An objective's own metric of the same name takes precedence.
  return { ...lines, metrics: new Map([...metrics, ...[...derived].filter(([name]) => !metrics.has(name))]) };
}

function trainingSeries(
  { steps, tokens, seconds, metrics }: MetricLines,
  compileSeconds?: readonly number[],
): Series[] {
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
        ...(compileSeconds && { compileSeconds: of(compileSeconds) }),
        values: of(values).map((value) => (Number.isFinite(value) ? value : null)),
      };
    });
}

function evaluationSeries(
  evaluations: readonly EvaluationRecord[],
  lines: MetricLines,
  compileSeconds?: readonly number[],
): Series[] {
  const lineOf = new Map(lines.steps.map((step, i) => [step, i]));
  // Before the first step, the total is 0; for other steps without a line, it is unknown.
  const at = (all: readonly number[], step: number): number | null =>
    all[lineOf.get(step) ?? -1] ?? (step === 0 ? 0 : null);
  const points = new Map<string, { evaluator: string; steps: number[]; values: (number | null)[] }>();
  for (const { step, evaluator, metrics } of evaluations) {
    for (const [metric, value] of Object.entries(metrics)) {
      const name = `${evaluator}/${metric}`;
      if (!points.has(name)) points.set(name, { evaluator, steps: [], values: [] });
      points.get(name)!.steps.push(step);
      points.get(name)!.values.push(Number.isFinite(value) ? value : null);
    }
  }
  return [...points].map(([metric, { evaluator, ...all }]) => {
    const kept = downsample(
      all.values.map((value) => value ?? NaN),
      DRAWN_POINTS,
    );
    const steps = kept.map((index) => all.steps[index]);
    return {
      metric,
      evaluator,
      steps,
      tokens: steps.map((step) => at(lines.tokens, step)).map((count) => count && Math.round(count)),
      seconds: steps.map((step) => at(lines.seconds, step)),
      ...(compileSeconds && { compileSeconds: steps.map((step) => at(compileSeconds, step)) }),
      values: kept.map((index) => all.values[index]),
    };
  });
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[sorted.length >> 1];
}
