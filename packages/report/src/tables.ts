import { differingKeys } from '@graft/core';
import { escapeHtml, formatNumber, formatSeconds, htmlTable, textCell, type Cell } from './html';
import type { RunData } from './read-run';

const number = (text: string, best = false): Cell => textCell(text, { numeric: true, best });

/** A summary of each run, one row per run. */
export function runsTable(runs: readonly RunData[], colors: readonly string[]): string {
  const named = (config: Readonly<Record<string, unknown>>, section: string): string => {
    const { use } = (config[section] ?? {}) as { use?: unknown };
    return typeof use === 'string' ? use : '';
  };
  const head = ['Run', 'Status', 'Initializer', 'Objective'].map((title) => textCell(title));
  const numbers = ['Parameters', 'Steps', 'Tokens', 'Training', 'Tokens/s', 'Seed'].map((title) => number(title));
  const rows = runs.map(({ title, record, config, totals }, i): Cell[] => [
    {
      html: `<span class="dot" style="background:${colors[i % colors.length]}"></span>${escapeHtml(title)}`,
      heading: true,
    },
    textCell(record.status + (record.error === undefined ? '' : `: ${record.error}`)),
    textCell(named(config, 'initializer')),
    textCell(record.kind === 'evaluation' ? 'evaluation' : named(config, 'objective')),
    number(formatNumber(record.parameters)),
    number(formatNumber(record.steps)),
    number(totals.tokens > 0 ? formatNumber(Math.round(totals.tokens)) : ''),
    number(totals.seconds > 0 ? formatSeconds(totals.seconds) : ''),
    number(totals.tokensPerSecond === undefined ? '' : formatNumber(Math.round(totals.tokensPerSecond))),
    number(formatNumber(config.seed as number | undefined)),
  ]);
  return htmlTable('Runs', [...head, ...numbers], rows);
}

type Numbers = ReadonlyMap<string, number>;

/** The last numbers of each evaluator of a run, by evaluator. */
function lastNumbers({ evaluations }: RunData): Map<string, { step: number; numbers: Numbers }> {
  const last = new Map<string, { step: number; numbers: Numbers }>();
  for (const { evaluator, step, metrics } of evaluations)
    last.set(evaluator, { step, numbers: new Map(Object.entries(metrics)) });
  return last;
}

/** Whether less of it is better; undefined: neither is. */
function lessIsBetter(metric: string): boolean | undefined {
  if (/(^|\W)(loss|perplexity|crossEntropy|divergence)$/.test(metric)) return true;
  if (/(^|\W)(accuracy|f1|exactMatch|mean|partialMean)$/.test(metric)) return false;
  return undefined;
}

interface Row {
  readonly run: string;
  readonly step: number;
  readonly numbers: Numbers;
}

/** A table for each evaluator, with the last numbers of every run that has it. */
export function evaluationTables(runs: readonly RunData[], titles: readonly string[]): string[] {
  const byEvaluator = new Map<string, Row[]>();
  for (const [i, run] of runs.entries()) {
    for (const [evaluator, last] of lastNumbers(run))
      byEvaluator.set(evaluator, [...(byEvaluator.get(evaluator) ?? []), { run: titles[i], ...last }]);
  }
  return [...byEvaluator].flatMap(([evaluator, rows]) => {
    const metrics = [...new Set(rows.flatMap(({ numbers }) => [...numbers.keys()]))];
    const grouped = metrics.filter((metric) => metric.includes('/'));
    if (grouped.length === 0) return [comparison(evaluator, rows, metrics, (metric) => metric)];
    // The first metric of a group is its main one: one column per group.
    const main = grouped[0].slice(grouped[0].indexOf('/') + 1);
    const columns = [
      ...grouped.filter((metric) => metric.endsWith(`/${main}`)),
      ...metrics.filter((metric) => !metric.includes('/')),
    ];
    const table = comparison(`${evaluator}: ${main}`, rows, columns, (metric) => metric.replace(`/${main}`, ''));
    return [table, details(evaluator, rows, grouped)];
  });
}

function comparison(
  caption: string,
  rows: readonly Row[],
  metrics: readonly string[],
  name: (metric: string) => string,
): string {
  const best = new Map(metrics.map((metric) => [metric, bestOf(metric, rows)]));
  const steps = rows.some(({ step }) => step > 0);
  const shown = (metric: string, value: number | undefined): string => {
    // One precision per column, unless the column contains counts.
    const counts = rows.every(({ numbers }) => Number.isInteger(numbers.get(metric) ?? 0));
    const plain = counts || value === undefined || !Number.isFinite(value) || Math.abs(value) >= 1000;
    return plain || (value !== 0 && Math.abs(value) < 0.001) ? formatNumber(value) : value.toFixed(4);
  };
  const head = [textCell('Run'), ...(steps ? [number('Step')] : []), ...metrics.map((metric) => number(name(metric)))];
  const body = rows.map(({ run, step, numbers }) => [
    textCell(run, { heading: true }),
    ...(steps ? [number(formatNumber(step))] : []),
    ...metrics.map((metric) => {
      const value = numbers.get(metric);
      return number(shown(metric, value), rows.length > 1 && value !== undefined && value === best.get(metric));
    }),
  ]);
  return htmlTable(caption, head, body);
}

function bestOf(metric: string, rows: readonly Row[]): number | undefined {
  const less = lessIsBetter(metric);
  const values = rows.map(({ numbers }) => numbers.get(metric)).filter((value) => Number.isFinite(value)) as number[];
  if (less === undefined || values.length < 2) return undefined;
  return less ? Math.min(...values) : Math.max(...values);
}

/** All numbers of all groups, in a collapsed section. */
function details(evaluator: string, rows: readonly Row[], grouped: readonly string[]): string {
  const groups = [...new Set(grouped.map((metric) => metric.slice(0, metric.indexOf('/'))))];
  const names = [...new Set(grouped.map((metric) => metric.slice(metric.indexOf('/') + 1)))];
  const body = rows.flatMap(({ run, numbers }) =>
    groups.map((group) => [
      textCell(`${run}: ${group}`, { heading: true }),
      ...names.map((name) => number(formatNumber(numbers.get(`${group}/${name}`)))),
    ]),
  );
  const table = htmlTable(`${evaluator}: all numbers`, [textCell(''), ...names.map((name) => number(name))], body);
  return `<details><summary>All numbers of ${escapeHtml(evaluator)}</summary>${table}</details>`;
}

/** Keys of which the runs' configs hold different values: for trainings and for evaluations by themselves, folded away. */
export function differences(runs: readonly RunData[], titles: readonly string[]): string[] {
  return (['Trainings', 'Evaluations'] as const).flatMap((kind) => {
    const own = [...runs.keys()].filter((i) => (runs[i].record.kind === 'evaluation') === (kind === 'Evaluations'));
    const table = differencesTable(
      own.map((i) => runs[i]),
      own.map((i) => titles[i]),
    );
    return table ? [`<details><summary>${kind}: what differs</summary>${table}</details>`] : [];
  });
}

/** undefined if there is one run, or no difference. */
function differencesTable(runs: readonly RunData[], titles: readonly string[]): string | undefined {
  if (runs.length < 2) return undefined;
  const rows = differingKeys(runs.map(({ config }) => config)).map(({ path, values }) => [
    textCell(path, { heading: true }),
    ...values.map((value) => textCell(value ?? '–')),
  ]);
  if (rows.length === 0) return undefined;
  return htmlTable('What differs in the configs', [textCell('Key'), ...titles.map((title) => textCell(title))], rows);
}
