import { measurements } from './measurements';
import { evaluatedUnit, isExtent, lossUnit, sectionOf, trainingFacts, type MetricFacts } from './metrics';
import type { RunData, Series } from './read-run';

/** A line of a chart, as the page's script draws it. */
export interface ChartLine {
  /** The line's name in tooltips: the run's, with the evaluator's if a run has several lines in the chart. */
  readonly run: string;
  /** Index of the run, which determines colour and dashes. */
  readonly color: number;
  /** The available x axes; null: unknown for that point. */
  readonly x: {
    readonly steps: readonly number[];
    readonly tokens: readonly (number | null)[];
    readonly seconds: readonly (number | null)[];
    /** Part of `seconds`; absent: none. */
    readonly compileSeconds?: readonly (number | null)[];
    /** Samples are this many times the steps; absent: unknown. */
    readonly samplesPerStep?: number;
  };
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit?: string;
  /** A sentence on what does not compare. */
  readonly note?: string;
  /** `speed`: about throughput and time, `hardware`: about memory and processor, not about the model. */
  readonly section: 'model' | 'speed' | 'hardware';
  /** Noisy: a smoothed line is drawn over the light raw one. */
  readonly smooth: boolean;
  /** Drawn with a logarithmic axis if the reader selects it. */
  readonly canBeLogarithmic: boolean;
  readonly lines: readonly ChartLine[];
}

type Facts = Pick<Chart, 'title' | 'unit' | 'note'>;

/** First the loss, then what was measured on held-out data, then the rest. A chart has at least one point. */
export function charts(runs: readonly RunData[], titles: readonly string[]): Chart[] {
  const training = trainingCharts(runs, titles);
  const isLoss = ({ id }: Chart): boolean => id === 'chart-loss';
  const all = [
    ...training.filter(isLoss),
    ...evaluationCharts(runs, titles),
    ...training.filter((one) => !isLoss(one) && one.section === 'model'),
    ...training.filter(({ section }) => section === 'speed'),
    ...training.filter(({ section }) => section === 'hardware'),
  ];
  const taken = new Map<string, number>();
  return all.map((one) => {
    const earlier = taken.get(one.id) ?? 0;
    taken.set(one.id, earlier + 1);
    return earlier === 0 ? one : { ...one, id: `${one.id}-${earlier + 1}` };
  });
}

function trainingCharts(runs: readonly RunData[], titles: readonly string[]): Chart[] {
  const byMetric = new Map<string, ChartLine[]>();
  for (const [color, run] of runs.entries()) {
    for (const series of run.training) {
      if (series.metric === 'waitShare' && !series.values.some((share) => share)) continue;
      add(byMetric, series.metric, lineOf(series, color, run, titles[color]));
    }
  }
  return [...byMetric].flatMap(([metric, lines]) => {
    const { divisor = 1, ...facts } = metric === 'loss' ? lossFacts(runs, lines) : trainingFacts(metric);
    const scaled = divisor === 1 ? lines : lines.map((line) => dividedBy(divisor, line));
    return chart(metric, facts, scaled, metric !== 'learningRate', sectionOf(metric));
  });
}

const dividedBy = (divisor: number, line: ChartLine): ChartLine => ({
  ...line,
  values: line.values.map((value) => value && value / divisor),
});

/** The unit that all drawn runs share, and whether they have one objective. */
function lossFacts(runs: readonly RunData[], lines: readonly ChartLine[]): Facts & MetricFacts {
  const drawn = lines.map(({ color }) => runs[color]);
  const units = new Set(drawn.map(lossUnit));
  const objectives = new Set(drawn.map(({ config }) => JSON.stringify(config.objective)));
  return {
    ...trainingFacts('loss'),
    unit: units.size === 1 ? [...units][0] : undefined,
    note: objectives.size > 1 ? 'The runs have different objectives, so their losses do not compare.' : undefined,
  };
}

function evaluationCharts(runs: readonly RunData[], titles: readonly string[]): Chart[] {
  return measurements(runs).flatMap(({ title, use, members }) => {
    const byMetric = new Map<string, ChartLine[]>();
    for (const { run, evaluator } of members) {
      const isTwin = members.some((other) => other.run === run && other.evaluator !== evaluator);
      const name = isTwin ? `${titles[run]}: ${evaluator}` : titles[run];
      for (const series of runs[run].evaluated) {
        const [owner, metric] = splitName(series);
        if (owner === evaluator) add(byMetric, metric, lineOf(series, run, runs[run], name));
      }
    }
    return (
      [...byMetric]
        .filter(([metric]) => !isExtent(metric))
        // A single point belongs in the table, not in a chart.
        .filter(([, lines]) => lines.some(({ values }) => values.filter((value) => value !== null).length > 1))
        .flatMap(([metric, lines]) =>
          chart(
            `${members[0].evaluator}/${metric}`,
            { title: `${title}: ${metric}`, unit: evaluatedUnit(metric, use) },
            lines,
            false,
            'model',
          ),
        )
    );
  });
}

/** Splits the name of a series into its evaluator and the metric's own name. */
function splitName({ metric, evaluator = metric.slice(0, metric.indexOf('/')) }: Series): [string, string] {
  return [evaluator, metric.slice(evaluator.length + 1)];
}

function lineOf(
  { steps, tokens, seconds, compileSeconds, values }: Series,
  color: number,
  { samplesPerStep }: RunData,
  run: string,
): ChartLine {
  return { run, color, x: { steps, tokens, seconds, compileSeconds, samplesPerStep }, values };
}

function add(byMetric: Map<string, ChartLine[]>, metric: string, line: ChartLine): void {
  byMetric.set(metric, [...(byMetric.get(metric) ?? []), line]);
}

/** A chart; none if no line has a point, because an empty panel contains no information. */
function chart(
  metric: string,
  facts: Facts,
  all: readonly ChartLine[],
  smooth: boolean,
  section: Chart['section'],
): Chart[] {
  const lines = all.filter(({ values }) => values.some((value) => value !== null));
  if (lines.length === 0) return [];
  const canBeLogarithmic = lines.every(({ values }) => values.every((value) => value === null || value > 0));
  const id = `chart-${metric.replace(/[^\w-]/g, '-')}`;
  return [{ id, ...facts, section, smooth, canBeLogarithmic, lines }];
}
