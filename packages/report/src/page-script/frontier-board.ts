import type { ECharts, EChartsOption, SeriesOption } from 'echarts';
import type { FrontierData, FrontierPoint, FrontierValue } from '../frontier/section';
import type { Charting, ChartStyle, Formatting, FrontierBoard } from './types';

/** Draws quality against cost. Its source text is embedded in the page: it uses nothing outside itself but types. */
export function frontierBoard(
  echarts: Charting,
  { colorOf, tones, onChange }: ChartStyle,
  hidden: ReadonlySet<number>,
  { short, exact }: Formatting,
): FrontierBoard {
  const ID = 'frontier-chart';
  /** Beside the outermost points, as a share of the axis: room for their names. */
  const MARGIN = 0.1;
  const chosen = { quality: 0, cost: 0, logarithmic: false };
  let data: FrontierData | undefined;
  let drawn: { readonly place: HTMLElement; readonly instance: ECharts } | undefined;

  interface Placed {
    readonly point: FrontierPoint;
    readonly quality: FrontierValue;
    readonly cost: FrontierValue;
  }

  const placedOf = ({ points }: FrontierData): Placed[] =>
    points.flatMap((point) => {
      const quality = point.qualities[chosen.quality];
      const cost = point.costs[chosen.cost];
      const isHidden = point.runs.every((run) => hidden.has(run));
      if (!quality || !cost || isHidden || (chosen.logarithmic && cost[0] <= 0)) return [];
      return [{ point, quality, cost }];
    });

  /** The corners of the frontier, from the cheapest model on: a better one begins where its cost does. */
  const stairs = (placed: readonly Placed[], better: 'less' | 'more'): [number, number][] => {
    const isBetter = (a: number, b: number): boolean => (better === 'less' ? a < b : a > b);
    const corners: [number, number][] = [];
    const sorted = [...placed].sort((a, b) =>
      a.cost[0] !== b.cost[0] ? a.cost[0] - b.cost[0] : isBetter(a.quality[0], b.quality[0]) ? -1 : 1,
    );
    for (const { quality, cost } of sorted) {
      const last = corners[corners.length - 1];
      if (last && !isBetter(quality[0], last[1])) continue;
      if (last) corners.push([cost[0], last[1]]);
      corners.push([cost[0], quality[0]]);
    }
    return corners;
  };

  const line = (points: readonly [number, number][], options: object): SeriesOption => ({
    type: 'line',
    data: points.map((point) => [...point]),
    showSymbol: false,
    silent: true,
    animation: false,
    ...options,
  });

  /** The intervals of a model, as a cross. */
  const whiskers = ({ point, quality, cost }: Placed): SeriesOption[] => {
    const lineStyle = { width: 1.5, color: colorOf(point.color), opacity: 0.7 };
    const [x, lowX, highX] = cost;
    const [y, lowY, highY] = quality;
    const isPositive = lowX !== null && (!chosen.logarithmic || lowX > 0);
    return [
      ...(lowY !== null && highY !== null
        ? [
            line(
              [
                [x, lowY],
                [x, highY],
              ],
              { lineStyle },
            ),
          ]
        : []),
      ...(isPositive && highX !== null
        ? [
            line(
              [
                [lowX, y],
                [highX, y],
              ],
              { lineStyle },
            ),
          ]
        : []),
    ];
  };

  const valueText = ([mean, low, high]: FrontierValue): string =>
    low === null || high === null ? exact(mean) : `${exact(mean)} (${exact(low)} to ${exact(high)})`;

  /** Built from elements, not from HTML, because names of runs are text. */
  const tooltipOf = ({ point, quality, cost }: Placed, titles: readonly [string, string]): HTMLElement => {
    const box = document.createElement('div');
    box.className = 'reading';
    const row = (name: string, value: string): void => {
      const own = document.createElement('div');
      for (const [className, text] of [
        ['name', name],
        ['value', value],
      ]) {
        const part = document.createElement('span');
        part.className = className;
        part.textContent = text;
        own.append(part);
      }
      box.append(own);
    };
    row(point.title, '');
    row(titles[0], valueText(quality));
    row(titles[1], valueText(cost));
    return box;
  };

  const optionsOf = (all: FrontierData): EChartsOption => {
    const { ink, line: rule, ground } = tones();
    const quality = all.qualities[chosen.quality];
    const cost = all.costs[chosen.cost];
    const titles = [quality, cost].map(({ title, unit }) => (unit ? `${title} (${unit})` : title)) as [string, string];
    const placed = placedOf(all);
    return {
      grid: { left: 8, right: 40, top: 30, bottom: 28, containLabel: true },
      tooltip: {
        trigger: 'item',
        confine: true,
        backgroundColor: ground,
        borderColor: rule,
        textStyle: { color: ink },
        formatter: (params) => {
          const one = placed[(params as { dataIndex: number }).dataIndex];
          return one ? tooltipOf(one, titles) : '';
        },
      },
      xAxis: {
        type: chosen.logarithmic ? 'log' : 'value',
        scale: true,
        min: ({ min, max }) => (chosen.logarithmic ? min / 1.3 : Math.max(0, min - (max - min || min) * MARGIN)),
        max: ({ min, max }) => (chosen.logarithmic ? max * 1.3 : max + (max - min || max) * MARGIN),
        name: titles[1],
        nameLocation: 'middle',
        nameGap: 26,
        axisLabel: { color: ink, formatter: short, hideOverlap: true, showMinLabel: false, showMaxLabel: false },
        axisLine: { lineStyle: { color: rule } },
        nameTextStyle: { color: ink },
        splitLine: { show: false },
      },
      yAxis: {
        type: 'value',
        scale: true,
        name: quality.better === 'less' ? `${titles[0]}, less is better` : titles[0],
        nameTextStyle: { color: ink, align: 'left' },
        axisLabel: { color: ink, formatter: short, hideOverlap: true },
        splitLine: { lineStyle: { color: rule } },
      },
      series: [
        line(stairs(placed, quality.better), { lineStyle: { width: 1.5, type: 'dashed', color: ink }, z: 1 }),
        ...placed.flatMap(whiskers),
        {
          type: 'scatter',
          animation: false,
          symbolSize: 11,
          z: 5,
          data: placed.map(({ point, quality: [y], cost: [x] }) => ({
            value: [x, y],
            itemStyle: { color: colorOf(point.color) },
            label: { show: true, position: 'top', formatter: () => point.title, color: ink, fontSize: 12 },
          })),
          labelLayout: { hideOverlap: true },
        },
      ],
    };
  };

  const redraw = (): void => {
    const place = document.getElementById(ID);
    if (drawn && drawn.place !== place) {
      drawn.instance.dispose();
      drawn = undefined;
    }
    if (!place || !data) return;
    drawn ??= { place, instance: echarts.init(place, null, { renderer: 'svg' }) };
    drawn.instance.setOption(optionsOf(data), { notMerge: true });
    drawn.instance.resize();
  };

  onChange(redraw);
  return {
    show: (next) => {
      data = next;
      // A live page has replaced the switches.
      for (const name of ['quality', 'cost'] as const) {
        const axes = name === 'quality' ? next?.qualities : next?.costs;
        chosen[name] = Math.min(chosen[name], Math.max(0, (axes?.length ?? 1) - 1));
        const select = document.querySelector<HTMLSelectElement>(`select[data-frontier][name="${name}"]`);
        if (select) select.value = String(chosen[name]);
      }
      const box = document.querySelector<HTMLInputElement>('input[data-frontier]');
      if (box) box.checked = chosen.logarithmic;
      redraw();
    },
    choose: (control) => {
      if (control.name === 'logarithmic-cost') chosen.logarithmic = (control as HTMLInputElement).checked;
      else if (control.name === 'quality' || control.name === 'cost') chosen[control.name] = Number(control.value);
      redraw();
    },
    redraw,
  };
}
