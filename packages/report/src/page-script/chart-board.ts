import type { ECharts, EChartsOption, LineSeriesOption } from 'echarts';
import type { Chart, ChartLine } from '../charts';
import type {
  ChartBoard,
  Charting,
  ChartStyle,
  ClientData,
  CurveTools,
  Drawn,
  Formatting,
  Reading,
  View,
} from './types';

/** Draws the charts. Its source text is embedded in the page: it uses nothing outside itself but types. */
export function chartBoard(
  echarts: Charting,
  { colors, dashes }: Pick<ClientData, 'colors' | 'dashes'>,
  { colorOf, tones, onChange }: ChartStyle,
  view: View,
  { visible, points, smoothed, readings }: CurveTools,
  { short, exact }: Formatting,
): ChartBoard {
  const AXES: Record<View['axis'], string> = {
    steps: 'steps',
    samples: 'samples',
    tokens: 'tokens',
    seconds: 'seconds of training',
  };
  const MOST_READINGS = 12;
  const MOST_RAW_LINES = 8;
  let charts: readonly Chart[] = [];
  const instances = new Map<HTMLElement, ECharts>();
  let drawn: Drawn[] = [];

  const axisName = (): string =>
    AXES[view.axis] + (view.axis === 'seconds' && view.withoutCompiling ? ', without compiling' : '');

  const dashOf = (color: number): number[] | 'solid' => {
    const pattern = dashes[Math.floor(color / colors.light.length) % dashes.length];
    return pattern.length === 0 ? 'solid' : [...pattern];
  };

  const seriesOf = (chart: Chart): LineSeriesOption[] => {
    const lines = visible(chart, view);
    return lines.flatMap((line, i): LineSeriesOption[] => {
      const { run, color, values } = line;
      const smooth = smoothed(chart, line, view);
      const base: LineSeriesOption = {
        type: 'line',
        name: run,
        color: colorOf(color),
        showSymbol: values.length < 30,
        symbolSize: 6,
        connectNulls: false,
        animation: false,
        // Preserves spikes: of the points that share a pixel, it draws the smallest and the largest.
        sampling: 'minmax',
        emphasis: { focus: 'series', lineStyle: { width: 3 } },
        lineStyle: { width: 2, type: dashOf(color) },
      };
      const main: LineSeriesOption = { ...base, id: `${color}.${i}`, data: points(line, view, smooth ?? values) };
      // Many raw lines would cover the smoothed ones.
      if (!smooth || lines.length > MOST_RAW_LINES) return [main];
      const raw: LineSeriesOption = {
        ...base,
        id: `raw.${color}.${i}`,
        data: points(line, view, values),
        lineStyle: { width: 1, opacity: 0.22 },
        silent: true,
        z: 1,
      };
      return [raw, main];
    });
  };

  /** The readings nearest to a height, in their order, if there are too many for a tooltip. */
  const nearestTo = (all: readonly Reading[], height: number | undefined): readonly Reading[] => {
    if (all.length <= MOST_READINGS) return all;
    const distance = ({ value, smoothed: smooth }: Reading): number =>
      Math.abs((smooth ?? value) - (height ?? Infinity));
    const near = new Set([...all].sort((a, b) => distance(a) - distance(b)).slice(0, MOST_READINGS));
    return all.filter((one) => near.has(one));
  };

  const element = (className: string, text = '', tag = 'span'): HTMLElement => {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  };

  const valueText = ({ value, smoothed: smooth }: Reading): string =>
    smooth === undefined ? exact(value) : `${exact(smooth)} (${exact(value)})`;

  /** Built from elements, not from HTML, because names of runs are text. */
  const tooltipOf = (chart: Chart, x: number, height: number | undefined): HTMLElement => {
    const all = readings(chart, view, x);
    const shown = nearestTo(all, height);
    const box = element('reading', '', 'div');
    box.append(element('more', `${exact(shown[0]?.x ?? x)} ${axisName()}`, 'div'));
    for (const reading of shown) {
      const row = element('', '', 'div');
      const mark = element('', '●');
      mark.style.color = colorOf(reading.line.color);
      row.append(mark, element('name', reading.line.run), element('value', valueText(reading)));
      box.append(row);
    }
    if (shown.some(({ smoothed: smooth }) => smooth !== undefined))
      box.append(element('more', 'smoothed (measured)', 'div'));
    if (all.length > shown.length) box.append(element('more', `and ${all.length - shown.length} more runs`, 'div'));
    return box;
  };

  const optionsOf = (chart: Chart, heightAt: () => number | undefined): EChartsOption => {
    const { ink, line, ground } = tones();
    const useLogarithm = view.logarithmic && chart.canBeLogarithmic;
    const height = view.heights.get(chart.id);
    return {
      grid: { left: 8, right: 20, top: 14, bottom: 28, containLabel: true },
      tooltip: {
        trigger: 'axis',
        confine: true,
        backgroundColor: ground,
        borderColor: line,
        textStyle: { color: ink },
        padding: [6, 10],
        formatter: (params) => {
          const [first] = Array.isArray(params) ? params : [params];
          return tooltipOf(chart, Number((first as unknown as { axisValue: number }).axisValue), heightAt());
        },
      },
      xAxis: {
        type: 'value',
        name: axisName(),
        nameLocation: 'middle',
        nameGap: 26,
        min: view.range && Number.isFinite(view.range[0]) ? view.range[0] : 'dataMin',
        max: view.range && Number.isFinite(view.range[1]) ? view.range[1] : 'dataMax',
        axisLabel: { color: ink, formatter: short, hideOverlap: true },
        axisLine: { lineStyle: { color: line } },
        nameTextStyle: { color: ink },
        splitLine: { show: false },
      },
      yAxis: {
        type: useLogarithm ? 'log' : 'value',
        scale: true,
        ...(height && { min: height[0], max: height[1] }),
        axisLabel: { color: ink, formatter: short, hideOverlap: true },
        splitLine: { lineStyle: { color: line } },
      },
      series: seriesOf(chart),
    };
  };

  /**
   * The chart of a shown element; while the pointer is over it, the element's data contains the pointer's height in
   * pixels.
   */
  const instanceOf = (place: HTMLElement): ECharts => {
    const found = instances.get(place);
    if (found) return found;
    const made = echarts.init(place, null, { renderer: 'svg' });
    made.getZr().on('mousemove', ({ offsetY }) => {
      place.dataset.pointer = String(offsetY);
    });
    made.getZr().on('globalout', () => {
      delete place.dataset.pointer;
    });
    instances.set(place, made);
    return made;
  };

  const heightOf = (place: HTMLElement, instance: ECharts): number | undefined =>
    place.dataset.pointer === undefined
      ? undefined
      : instance.convertFromPixel({ yAxisIndex: 0 }, Number(place.dataset.pointer));

  /** Hides panels without points, and groups that contain only such panels. */
  const hideEmpty = (): void => {
    for (const chart of charts) {
      const figure = document.getElementById(chart.id)?.closest('figure');
      if (figure) figure.hidden = visible(chart, view).length === 0;
    }
    for (const group of Array.from(document.querySelectorAll<HTMLElement>('[data-group]')))
      group.hidden = Array.from(group.querySelectorAll('figure')).every((figure) => figure.hidden);
  };

  const redraw = (): void => {
    drawn = [];
    // Before drawing, because hidden elements do not have a size.
    hideEmpty();
    for (const chart of charts) {
      const place = document.getElementById(chart.id);
      if (!place || place.closest('figure')?.hidden) continue;
      const instance = instanceOf(place);
      instance.setOption(
        optionsOf(chart, () => heightOf(place, instance)),
        { notMerge: true },
      );
      instance.resize();
      drawn.push({ chart, element: place, instance });
    }
  };

  const colorsOf = (lines: readonly ChartLine[], run: number): string[] =>
    lines.flatMap(({ color }, i) => (color === run ? [`${color}.${i}`] : []));

  onChange(redraw);
  return {
    show: (all) => {
      charts = all;
      for (const [place, instance] of instances) {
        if (place.isConnected) continue;
        instance.dispose();
        instances.delete(place);
      }
      redraw();
    },
    redraw,
    highlight: (run) => {
      for (const { chart, instance } of drawn) {
        if (run === undefined) instance.dispatchAction({ type: 'downplay' });
        else
          for (const seriesId of colorsOf(visible(chart, view), run))
            instance.dispatchAction({ type: 'highlight', seriesId });
      }
    },
    resize: () => drawn.forEach(({ instance }) => instance.resize()),
    at: (target) => drawn.find(({ element: place }) => target instanceof Node && place.contains(target)),
    readOff: ({ chart, instance }, x) => {
      const pixel = instance.convertToPixel({ xAxisIndex: 0 }, x);
      instance.dispatchAction({ type: 'showTip', x: pixel, y: instance.getHeight() / 2 });
      const shown = readings(chart, view, x).map((reading) => `${reading.line.run} ${valueText(reading)}`);
      return `${exact(x)} ${axisName()}: ${shown.join(', ')}`;
    },
  };
}
