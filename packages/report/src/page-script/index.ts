import { chartBoard } from './chart-board';
import { chartStyle } from './chart-style';
import { curveTools } from './curve-tools';
import { frontierBoard } from './frontier-board';
import { formatting } from './formatting';
import { followServer } from './live';
import { startPage, type PageParts } from './start-page';
import { tableTools } from './table-tools';
import { zoomCharts } from './zoom';

export type { ClientData, PageUpdate } from './types';

/** The page's script: it expects the page's data in the element `data`, and ECharts, if any, as a global. */
export function clientScript(): string {
  const parts: PageParts = {
    formatting,
    curveTools,
    tableTools,
    chartStyle,
    chartBoard,
    frontierBoard,
    zoomCharts,
    followServer,
  };
  const sources = Object.entries(parts).map(([name, part]) => `${name}: ${(part as () => void).toString()}`);
  const charting = "typeof echarts === 'undefined' ? undefined : echarts";
  return `(${startPage.toString()})({ ${sources.join(',\n')} }, ${charting}, JSON.parse(document.getElementById('data').textContent));`;
}
