import type { RunData, Series } from './read-run';

/** A line of a chart, as the page's script draws it. */
export interface ChartLine {
  readonly run: string;
  /** Index of the run, which determines the colour. */
  readonly color: number;
  /** The available x axes. */
  readonly x: {
    readonly steps: readonly number[];
    readonly tokens: readonly number[];
    readonly seconds: readonly number[];
  };
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit?: string;
  /** Noisy: a smoothed line is drawn over the light raw one. */
  readonly smooth: boolean;
  /** Drawn with a logarithmic axis if the reader selects it. */
  readonly canBeLogarithmic: boolean;
  readonly lines: readonly ChartLine[];
}

const TITLES: Readonly<Record<string, { title: string; unit?: string }>> = {
  loss: { title: 'Training loss', unit: 'nats a token' },
  gradNorm: { title: 'Gradient norm' },
  learningRate: { title: 'Learning rate' },
  tokensPerSecond: { title: 'Tokens a second' },
  targetTokens: { title: 'Target tokens a step' },
};

/** Not by a plain lookup: a metric may be called `constructor`. */
const titleOf = (metric: string): { title: string; unit?: string } =>
  Object.hasOwn(TITLES, metric) ? TITLES[metric] : { title: metric };

/** First the loss, then what was measured on held-out data, then the rest. */
export function charts(runs: readonly RunData[], titles: readonly string[]): Chart[] {
  const training = collect(runs, titles, ({ training }) => training).map(([metric, lines]) =>
    chart(metric, titleOf(metric), lines, metric !== 'learningRate'),
  );
  const evaluated = collect(runs, titles, ({ evaluated: all }) => all)
    // A single point is a number for the table.
    .filter(([, lines]) => lines.some(({ values }) => values.length > 1))
    .filter(([metric]) => !metric.endsWith('/tokens'))
    .map(([metric, lines]) => chart(metric, { title: metric.replace('/', ': ') }, lines, false));
  const isLoss = ({ id }: Chart): boolean => id === 'chart-loss';
  return [...training.filter(isLoss), ...evaluated, ...training.filter((one) => !isLoss(one))];
}

function chart(
  metric: string,
  { title, unit }: { title: string; unit?: string },
  lines: readonly ChartLine[],
  smooth: boolean,
): Chart {
  const canBeLogarithmic = lines.every(({ values }) => values.every((value) => value === null || value > 0));
  const id = `chart-${metric.replace(/[^\w-]/g, '-')}`;
  return { id, title, unit, smooth, canBeLogarithmic, lines };
}

function collect(
  runs: readonly RunData[],
  titles: readonly string[],
  seriesOf: (run: RunData) => readonly Series[],
): [string, ChartLine[]][] {
  const byMetric = new Map<string, ChartLine[]>();
  for (const [color, run] of runs.entries()) {
    for (const { metric, steps, tokens, seconds, values } of seriesOf(run)) {
      const line = { run: titles[color], color, x: { steps, tokens, seconds }, values };
      byMetric.set(metric, [...(byMetric.get(metric) ?? []), line]);
    }
  }
  return [...byMetric];
}
