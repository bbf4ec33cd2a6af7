/** The table of a sweep for people. */
import type { MeanInterval, PointSummary, Sweep } from '@graft/core';
import { table } from '../output/table';

/** More do not fit on a screen. */
const MOST_METRICS = 5;

/** What a table shows, and what it leaves to the files. */
export interface SweepTable {
  readonly text: string;
  readonly notes: readonly string[];
}

/** `better`: the direction of a metric, if it has one. */
export async function sweepTable(
  { points, metrics: stated }: Sweep,
  rows: readonly PointSummary[],
  better: (metric: string) => string | undefined,
): Promise<SweepTable> {
  const { didYouMean } = await import('@graft/core');
  const { settingText, shortKeys } = await import('@graft/core/internal');
  const names = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics)))];
  const wanted = stated?.map(({ metric }) => metric) ?? usualMetrics(names, better);
  const shown = wanted.filter((name) => names.includes(name));
  const columns = shown.slice(0, stated ? undefined : MOST_METRICS);
  const hasArms = points[0].arm !== undefined;
  const keys = shortKeys(points[0].varied.map(([key]) => key));
  const head = [...(hasArms ? ['arm'] : []), ...keys];
  const body = rows.map(({ point, finished, trials, metrics, best }) => [
    ...(hasArms ? [point.arm!] : []),
    ...point.varied.map(([, value]) => settingText(value)),
    finished === trials ? String(trials) : `${finished} of ${trials}`,
    ...columns.map((name) => (metrics[name] ? intervalText(metrics[name]) + (best.includes(name) ? ' *' : '  ') : '')),
  ]);
  const isMarked = rows.some(({ best }) => best.some((name) => columns.includes(name)));
  const hasIntervals = rows.some(({ metrics }) => columns.some((name) => metrics[name]?.low !== undefined));
  const missing = names.length === 0 ? [] : wanted.filter((name) => !names.includes(name));
  const numbers = [...columns.keys()].map((column) => head.length + 1 + column);
  return {
    text: table([...head, 'trials', ...columns.map((name) => `${name}  `)], body, { right: [head.length, ...numbers] }),
    notes: [
      ...(isMarked ? ['* the best mean'] : []),
      ...(hasIntervals ? ['[low, high]: the 95 % bootstrap interval of the mean over seeds'] : []),
      ...(shown.length > columns.length ? [`${shown.length - columns.length} more metrics are in table.csv.`] : []),
      ...missing.map((name) => `No finished trial has the metric "${name}"${didYouMean(name, names) || '.'}`),
    ],
  };
}

/** The metrics of evaluations that have a direction; without any, the last loss of the training. */
function usualMetrics(names: readonly string[], better: (metric: string) => string | undefined): string[] {
  const evaluated = names.filter((name) => name.includes('/') && better(name) !== undefined);
  return evaluated.length > 0 ? evaluated : names.filter((name) => name === 'loss');
}

const DIGITS = 4;

/** `2.314 [2.301, 2.33]` */
function intervalText({ mean, low, high }: MeanInterval): string {
  const spread = low === undefined || high === undefined ? '' : ` [${numberText(low)}, ${numberText(high)}]`;
  return `${numberText(mean)}${spread}`;
}

/** Four significant digits; whole numbers as they are. */
export function numberText(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(DIGITS);
}
