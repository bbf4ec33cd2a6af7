import type { MeanInterval } from '@graft/core';
import { escapeHtml, formatNumber, htmlTable, textCell, type Cell } from '../html';
import { swatch } from '../style';
import { compareModels, type Axis, type ComparedModel, type Comparison } from './models';
import { dominates, frontier, overlap } from './pareto';
import { rankCorrelation, type RankCorrelation } from './rank-correlation';
import type { RunData } from '../read-run';

/** A model in the chart: its mean in every axis, with the interval where there is one. */
export interface FrontierPoint {
  readonly title: string;
  /** Index of its first run, which determines colour and dashes. */
  readonly color: number;
  readonly runs: readonly number[];
  /** By the place of an axis; null: not measured. */
  readonly qualities: readonly (FrontierValue | null)[];
  readonly costs: readonly (FrontierValue | null)[];
}

export type FrontierValue = readonly [mean: number, low: number | null, high: number | null];

/** What the page draws of quality against cost. */
export interface FrontierData {
  readonly qualities: readonly Pick<Axis, 'title' | 'unit' | 'better'>[];
  readonly costs: readonly Pick<Axis, 'title' | 'unit' | 'better'>[];
  readonly points: readonly FrontierPoint[];
}

/** The part of a page about quality and cost. */
export interface FrontierSection {
  readonly html: string;
  /** Undefined if there is nothing to compare. */
  readonly data?: FrontierData;
}

/** Fewer models than this have no order that could be compared with another one. */
const FEWEST_RANKED = 4;

/** Quality against cost, and how the scores correlate; empty unless two models have a quality and a cost. */
export function frontierSection(runs: readonly RunData[], titles: readonly string[]): FrontierSection {
  const comparison = compareModels(runs, titles);
  const { qualities, costs, models } = comparison;
  const isPlaced = ({ values }: ComparedModel): boolean =>
    qualities.some(({ key }) => values.has(key)) && costs.some(({ key }) => values.has(key));
  if (models.filter(isPlaced).length < 2) return { html: '' };
  const main = qualities.filter(({ isMain }) => isMain);
  const html = [
    '<h2>Quality and cost</h2>',
    chart(comparison),
    note(
      'Runs whose configs differ in the seed alone are one model: the mean, with its 95 % bootstrap interval, which is too narrow for few seeds. ◆: on the frontier of that cost, where no other model is at least as good and costs less, or is better and costs no more. A model is dominated by one that is at least as good, and costs no more in any way that both have.',
    ),
    ...main.flatMap((quality) => table(quality, comparison)),
    ...correlations(main, comparison),
  ].join('\n');
  return { html, data: dataOf(comparison) };
}

const note = (sentence: string): string => `<p class="note">${escapeHtml(sentence)}</p>`;

function chart({ qualities, costs }: Comparison): string {
  const select = (name: string, label: string, axes: readonly Axis[]): string =>
    `<label>${label} <select name="${name}" data-frontier>${axes
      .map(({ title, unit }, i) => `<option value="${i}">${escapeHtml(unit ? `${title} (${unit})` : title)}</option>`)
      .join('')}</select></label>`;
  return `<div class="switches">${select('quality', 'Quality', qualities)}${select('cost', 'against', costs)}<label><input type="checkbox" name="logarithmic-cost" data-frontier> logarithmic cost</label></div>
<figure class="chart wide"><div class="drawing" id="frontier-chart" role="img" aria-label="Quality against cost; the tables below have the numbers"></div></figure>`;
}

function dataOf({ models, qualities, costs }: Comparison): FrontierData {
  const shown = ({ title, unit, better }: Axis): Pick<Axis, 'title' | 'unit' | 'better'> => ({ title, unit, better });
  const value = (own: MeanInterval | undefined): FrontierValue | null =>
    own ? [own.mean, own.low ?? null, own.high ?? null] : null;
  return {
    qualities: qualities.map(shown),
    costs: costs.map(shown),
    points: models.map(({ title, runs, values }) => ({
      title,
      color: runs[0],
      runs,
      qualities: qualities.map(({ key }) => value(values.get(key))),
      costs: costs.map(({ key }) => value(values.get(key))),
    })),
  };
}

/** Who is on the frontier, and who dominates whom; no table if fewer than two models have the quality. */
function table(quality: Axis, { models, costs }: Comparison): string[] {
  const rated = models.filter(({ values }) => values.has(quality.key));
  if (rated.length < 2) return [];
  const used = costs.filter(({ key }) => rated.filter(({ values }) => values.has(key)).length > 1);
  const onFrontier = new Map(used.map((cost) => [cost.key, frontier(quality, cost, rated)]));
  const head = [
    textCell('Model'),
    textCell(quality.title, { numeric: true }),
    ...used.map(({ title, unit }) => textCell(unit ? `${title} (${unit})` : title, { numeric: true })),
    textCell('Dominated by'),
  ];
  const body = rated.map((model): Cell[] => {
    const by = rated.filter((other) => dominates([quality, ...used], other, model));
    const isSure = (other: ComparedModel): boolean =>
      overlap(other.values.get(quality.key), model.values.get(quality.key)) !== true;
    return [
      { html: `${swatch(model.runs[0])}${escapeHtml(model.title)}`, heading: true, run: onlyRun(model) },
      numberCell(model.values.get(quality.key)),
      ...used.map(({ key }) => numberCell(model.values.get(key), onFrontier.get(key)!.includes(model))),
      textCell(by.map((other) => `${other.title}${isSure(other) ? '' : ' (the intervals overlap)'}`).join(', ') || '–'),
    ];
  });
  return [htmlTable(`${quality.title}, and what it costs`, head, body, { sortable: true })];
}

/** Hiding a run hides its row; a model of several runs stays. */
const onlyRun = ({ runs }: ComparedModel): number | undefined => (runs.length === 1 ? runs[0] : undefined);

function numberCell(value: MeanInterval | undefined, isOnFrontier = false): Cell {
  if (!value) return textCell('', { numeric: true });
  const { mean, low, high } = value;
  const interval =
    low === undefined || high === undefined || low === high ? '' : ` (${formatNumber(low)} to ${formatNumber(high)})`;
  const mark = isOnFrontier ? ' ◆' : '';
  return textCell(`${formatNumber(mean)}${interval}${mark}`, { numeric: true, value: mean });
}

/** Spearman's correlation of every two scores, over the models that have both. */
function correlations(qualities: readonly Axis[], { models }: Comparison): string[] {
  const of = (a: Axis, b: Axis): RankCorrelation => {
    const sign = (axis: Axis): number => (axis.better === 'less' ? -1 : 1);
    const pairs = models.flatMap(({ values }): [number, number][] => {
      const [x, y] = [values.get(a.key)?.mean, values.get(b.key)?.mean];
      return x === undefined || y === undefined ? [] : [[sign(a) * x, sign(b) * y]];
    });
    return pairs.length < FEWEST_RANKED ? { rho: undefined, count: pairs.length } : rankCorrelation(pairs);
  };
  const known = qualities.filter((a) => qualities.some((b) => a !== b && of(a, b).rho !== undefined));
  if (known.length < 2) return [];
  const head = [textCell('Score'), ...known.map(({ title }) => textCell(title, { numeric: true }))];
  const body = known.map((a, row) => [
    textCell(a.title, { heading: true }),
    ...known.map((b, column) => (column < row ? correlationCell(of(a, b)) : textCell('', { numeric: true }))),
  ]);
  return [
    htmlTable('Rank correlations of the scores', head, body),
    note(
      'Spearman’s, over the models that have both scores; 1: both put the models into the same order. p: how often an order at random correlates as much. Models of different sizes correlate for their size alone: compare within one size too.',
    ),
  ];
}

function correlationCell({ rho, count, pValue }: RankCorrelation): Cell {
  if (rho === undefined || pValue === undefined) return textCell(`– (n ${count})`, { numeric: true });
  const p = pValue < 0.001 ? 'p < 0.001' : `p ${pValue.toFixed(3)}`;
  return textCell(`${rho.toFixed(2)} (n ${count}, ${p})`, { numeric: true, value: rho });
}
