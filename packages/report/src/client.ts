/// <reference lib="dom" />
import type { ECharts, EChartsOption, LineSeriesOption } from 'echarts';
import type { Chart, ChartLine } from './charts';

/** The data that the page passes to its script. */
export interface ClientData {
  readonly charts: readonly Chart[];
  readonly colors: readonly string[];
}

/** The part of ECharts that the page uses; its build is inlined before the script. */
export interface Charting {
  init(element: HTMLElement, theme: string | null, options: { renderer: 'svg' }): ECharts;
}

/**
 * Draws the charts and handles the switches. Its source text is embedded in the page, so it may use nothing outside
 * itself but types.
 */
export function drawCharts(echarts: Charting, { charts, colors }: ClientData): void {
  type Axis = keyof ChartLine['x'];
  const AXES: Record<Axis, string> = { steps: 'steps', tokens: 'tokens', seconds: 'seconds of training' };
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const drawn: { chart: Chart; instance: ECharts }[] = [];
  let axis: Axis = 'steps';
  let logarithmic = false;
  let smooth = true;

  /** Moving average over a fiftieth of the line. */
  const smoothed = (values: readonly (number | null)[]): (number | null)[] => {
    const radius = Math.floor(values.length / 100);
    return values.map((own, i) => {
      if (own === null) return null;
      const around = values.slice(Math.max(0, i - radius), i + radius + 1).filter((value) => value !== null);
      return around.reduce((sum, value) => sum + value, 0) / around.length;
    });
  };

  const short = (value: number): string => {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
    return size !== 0 && size < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(4));
  };

  const seriesOf = (chart: Chart): LineSeriesOption[] =>
    chart.lines.flatMap(({ run, color, x, values }): LineSeriesOption[] => {
      const own = colors[color % colors.length];
      const points = (of: readonly (number | null)[]): (number | null)[][] => of.map((value, i) => [x[axis][i], value]);
      const isSmoothed = chart.smooth && smooth && values.length > 100;
      const base = {
        type: 'line' as const,
        name: run,
        color: own,
        showSymbol: values.length < 30,
        symbolSize: 6,
        connectNulls: false,
        animation: false,
        // Beyond eight runs colours repeat: dashes tell them apart.
        lineStyle: { width: 2, type: color < colors.length ? ('solid' as const) : ('dashed' as const) },
      };
      const main = { ...base, data: points(isSmoothed ? smoothed(values) : values) };
      const raw = {
        ...base,
        data: points(values),
        lineStyle: { width: 1, opacity: 0.25 },
        silent: true,
        tooltip: { show: false },
      };
      return isSmoothed ? [raw, main] : [main];
    });

  const optionsOf = (chart: Chart): EChartsOption => {
    const ink = dark.matches ? '#c9d1d9' : '#444c56';
    const line = dark.matches ? '#30363d' : '#e1e4e8';
    const useLogarithm = logarithmic && chart.canBeLogarithmic;
    return {
      aria: {
        enabled: true,
        label: { description: `${chart.title} of ${chart.lines.map(({ run }) => run).join(', ')}` },
      },
      grid: { left: 8, right: 20, top: 40, bottom: 28, containLabel: true },
      legend: {
        top: 0,
        left: 0,
        type: 'scroll',
        textStyle: { color: ink },
        icon: 'roundRect',
        itemHeight: 4,
        itemWidth: 16,
      },
      tooltip: {
        trigger: 'axis',
        backgroundColor: dark.matches ? '#161b22' : '#ffffff',
        borderColor: line,
        textStyle: { color: ink },
        valueFormatter: (value) => (typeof value === 'number' ? short(value) : 'not a number'),
      },
      xAxis: {
        type: 'value',
        name: AXES[axis],
        nameLocation: 'middle',
        nameGap: 26,
        min: 'dataMin',
        max: 'dataMax',
        axisLabel: { color: ink, formatter: short, hideOverlap: true },
        axisLine: { lineStyle: { color: line } },
        nameTextStyle: { color: ink },
        splitLine: { show: false },
      },
      yAxis: {
        type: useLogarithm ? 'log' : 'value',
        scale: true,
        axisLabel: { color: ink, formatter: short },
        splitLine: { lineStyle: { color: line } },
      },
      series: seriesOf(chart),
    };
  };

  const redraw = (): void => {
    for (const { chart, instance } of drawn) instance.setOption(optionsOf(chart), { notMerge: true });
  };

  for (const chart of charts) {
    const element = document.getElementById(chart.id);
    if (element) drawn.push({ chart, instance: echarts.init(element, null, { renderer: 'svg' }) });
  }
  redraw();
  dark.addEventListener('change', redraw);
  window.addEventListener('resize', () => {
    for (const { instance } of drawn) instance.resize();
  });
  for (const input of Array.from(document.querySelectorAll<HTMLInputElement>('input[data-switch]'))) {
    input.addEventListener('change', () => {
      if (input.name === 'axis') axis = input.value as Axis;
      if (input.name === 'logarithmic') logarithmic = input.checked;
      if (input.name === 'smooth') smooth = input.checked;
      redraw();
    });
  }
}
