import { differingKeys } from '@graft/core';
import { escapeHtml, formatNumber, formatSeconds, htmlTable, textCell, type Cell } from './html';
import { differingCounts, measurements } from './measurements';
import { betterOf } from './metrics';
import type { RunData } from './read-run';
import { swatch } from './style';

const number = (text: string, value?: number): Cell => textCell(text, { numeric: true, value });

/** A summary of each run, one row per run. */
export function runsTable(runs: readonly RunData[]): string {
  const named = (config: Readonly<Record<string, unknown>>, section: string): string => {
    const { use } = (config[section] ?? {}) as { use?: unknown };
    return typeof use === 'string' ? use : '';
  };
  const hasCompiled = runs.some(({ totals }) => totals.compileSeconds !== undefined);
  const head = ['Run', 'Status', 'Initializer', 'Objective'].map((title) => textCell(title));
  const numbers = [
    'Parameters',
    'Steps',
    'Tokens',
    'Training',
    ...(hasCompiled ? ['Compiling'] : []),
    'Tokens/s',
    'Seed',
  ];
  const rows = runs.map(({ title, record, config, totals }, run): Cell[] => {
    const seconds = (value: number | undefined): Cell => number(value ? formatSeconds(value) : '', value);
    return [
      { html: `${swatch(run)}${escapeHtml(title)}`, heading: true, run },
      textCell(record.status + (record.error === undefined ? '' : `: ${record.error}`)),
      textCell(named(config, 'initializer')),
      textCell(record.kind === 'evaluation' ? 'evaluation' : named(config, 'objective')),
      number(formatNumber(record.parameters), record.parameters),
      number(formatNumber(record.steps), record.steps),
      number(totals.tokens > 0 ? formatNumber(Math.round(totals.tokens)) : '', totals.tokens),
      seconds(totals.seconds),
      ...(hasCompiled ? [seconds(totals.compileSeconds)] : []),
      number(
        totals.tokensPerSecond === undefined ? '' : formatNumber(Math.round(totals.tokensPerSecond)),
        totals.tokensPerSecond,
      ),
      number(formatNumber(config.seed as number | undefined), config.seed as number | undefined),
    ];
  });
  return htmlTable('Runs', [...head, ...numbers.map((title) => number(title))], rows, { sortable: runs.length > 1 });
}

interface Row {
  /** Index of the run. */
  readonly run: number;
  readonly name: string;
  readonly step: number;
  readonly numbers: ReadonlyMap<string, number>;
}

/** One table per measurement, with the last numbers of every run that has it. */
export function evaluationTables(runs: readonly RunData[], titles: readonly string[]): string[] {
  const all = measurements(runs);
  const apart = all.some(({ isOneOfSeveral }) => isOneOfSeveral);
  return [
    ...(apart
      ? [note('Evaluations of different data or objectives have tables of their own: their numbers do not compare.')]
      : []),
    ...all.flatMap(({ title, members }) => {
      const rows = members.map(({ run, evaluator, last }): Row => {
        const isTwin = members.some((other) => other.run === run && other.evaluator !== evaluator);
        return {
          run,
          name: isTwin ? `${titles[run]}: ${evaluator}` : titles[run],
          step: last.step,
          numbers: new Map(Object.entries(last.metrics)),
        };
      });
      return measurementTables(title, rows, differingCounts(members));
    }),
  ];
}

const note = (sentence: string): string => `<p class="faint">${escapeHtml(sentence)}</p>`;

function measurementTables(title: string, rows: readonly Row[], counts: ReturnType<typeof differingCounts>): string[] {
  const metrics = [...new Set(rows.flatMap(({ numbers }) => [...numbers.keys()]))];
  const isComparable = counts === undefined;
  const notes = counts
    ? [
        note(
          `${title}: the runs were measured on ${formatNumber(counts.least)} to ${formatNumber(counts.most)} tokens or examples, so these are not the same data and none is marked as best.`,
        ),
      ]
    : [];
  const grouped = metrics.filter((metric) => metric.includes('/'));
  if (grouped.length === 0) return [comparison(title, rows, metrics, (metric) => metric, isComparable), ...notes];
  // The first metric of a group is its main one: the table has one column per group.
  const main = grouped[0].slice(grouped[0].indexOf('/') + 1);
  const columns = [
    ...grouped.filter((metric) => metric.endsWith(`/${main}`)),
    ...metrics.filter((metric) => !metric.includes('/')),
  ];
  const shortName = (metric: string): string => metric.replace(`/${main}`, '');
  return [
    comparison(`${title}: ${main}`, rows, columns, shortName, isComparable),
    ...notes,
    details(title, rows, grouped),
  ];
}

function comparison(
  caption: string,
  rows: readonly Row[],
  metrics: readonly string[],
  name: (metric: string) => string,
  isComparable: boolean,
): string {
  const best = new Map(isComparable ? metrics.map((metric) => [metric, bestOf(metric, rows)]) : []);
  const steps = rows.some(({ step }) => step > 0);
  const shown = (metric: string, value: number | undefined): string => {
    // All numbers of a column have the same precision, unless they are counts.
    const counts = rows.every(({ numbers }) => Number.isInteger(numbers.get(metric) ?? 0));
    const plain = counts || value === undefined || !Number.isFinite(value) || Math.abs(value) >= 1000;
    return plain || (value !== 0 && Math.abs(value) < 0.001) ? formatNumber(value) : value.toFixed(4);
  };
  const head = [
    textCell('Run'),
    ...(steps ? [number('Step')] : []),
    ...metrics.map((metric) =>
      textCell(name(metric), { numeric: true, better: isComparable ? betterOf(metric) : undefined }),
    ),
  ];
  const body = rows.map(({ run, name: title, step, numbers }) => [
    textCell(title, { heading: true, run }),
    ...(steps ? [number(formatNumber(step), step)] : []),
    ...metrics.map((metric) => {
      const value = numbers.get(metric);
      const isBest = rows.length > 1 && value !== undefined && value === best.get(metric);
      return textCell(shown(metric, value), { numeric: true, value, best: isBest });
    }),
  ]);
  return htmlTable(caption, head, body, { sortable: rows.length > 1 });
}

function bestOf(metric: string, rows: readonly Row[]): number | undefined {
  const better = betterOf(metric);
  const values = rows.map(({ numbers }) => numbers.get(metric)).filter((value) => Number.isFinite(value)) as number[];
  if (better === undefined || values.length < 2) return undefined;
  return better === 'less' ? Math.min(...values) : Math.max(...values);
}

/** All numbers of all groups, in a collapsed section. */
function details(title: string, rows: readonly Row[], grouped: readonly string[]): string {
  const groups = [...new Set(grouped.map((metric) => metric.slice(0, metric.indexOf('/'))))];
  const names = [...new Set(grouped.map((metric) => metric.slice(metric.indexOf('/') + 1)))];
  const body = rows.flatMap(({ run, name, numbers }) =>
    groups.map((group) => [
      textCell(`${name}: ${group}`, { heading: true, run }),
      ...names.map((metric) => {
        const value = numbers.get(`${group}/${metric}`);
        return number(formatNumber(value), value);
      }),
    ]),
  );
  const table = htmlTable(`${title}: all numbers`, [textCell('Run'), ...names.map((name) => number(name))], body, {
    sortable: body.length > 1,
  });
  return `<details><summary>All numbers of ${escapeHtml(title)}</summary>${table}</details>`;
}

/** Tables of the config keys in which the runs differ, collapsed: one for trainings and one for evaluations. */
export function differences(runs: readonly RunData[], titles: readonly string[]): string[] {
  return (['Trainings', 'Evaluations'] as const).flatMap((kind) => {
    const own = [...runs.keys()].filter((i) => (runs[i].record.kind === 'evaluation') === (kind === 'Evaluations'));
    const table = differencesTable(own, runs, titles);
    return table ? [`<details><summary>${kind}: what differs</summary>${table}</details>`] : [];
  });
}

/** Compares the runs with the indices `own`; undefined for a single run, or if there are no differences. */
function differencesTable(
  own: readonly number[],
  runs: readonly RunData[],
  titles: readonly string[],
): string | undefined {
  if (own.length < 2) return undefined;
  const rows = differingKeys(own.map((run) => runs[run].config)).map(({ path, values }) => [
    textCell(path, { heading: true }),
    ...values.map((value, i) => textCell(value ?? '–', { run: own[i] })),
  ]);
  if (rows.length === 0) return undefined;
  const head = [textCell('Key'), ...own.map((run) => textCell(titles[run], { run }))];
  return htmlTable('What differs in the configs', head, rows);
}
