import type { chartBoard } from './chart-board';
import type { chartStyle } from './chart-style';
import type { curveTools } from './curve-tools';
import type { frontierBoard } from './frontier-board';
import type { formatting } from './formatting';
import type { followServer } from './live';
import type { tableTools } from './table-tools';
import type { Axis, Charting, ClientData, View } from './types';
import type { zoomCharts } from './zoom';

/** The functions that the page's script consists of. */
export interface PageParts {
  readonly formatting: typeof formatting;
  readonly curveTools: typeof curveTools;
  readonly tableTools: typeof tableTools;
  readonly chartStyle: typeof chartStyle;
  readonly chartBoard: typeof chartBoard;
  readonly frontierBoard: typeof frontierBoard;
  readonly zoomCharts: typeof zoomCharts;
  readonly followServer: typeof followServer;
}

/**
 * Puts the parts together and handles the switches. `echarts`: undefined on a page without charts. Its source text is
 * embedded in the page: it uses nothing outside itself but types.
 */
export function startPage(parts: PageParts, echarts: Charting | undefined, data: ClientData): void {
  const NARROW = '(max-width: 900px)';
  const view: View = {
    axis: 'steps',
    logarithmic: false,
    smooth: true,
    withoutCompiling: false,
    hidden: new Set(),
    heights: new Map(),
  };
  const format = parts.formatting();
  const curves = parts.curveTools();
  const tables = parts.tableTools();
  const style = parts.chartStyle(data);
  const board = echarts && parts.chartBoard(echarts, data, style, view, curves, format);
  const frontier = echarts && parts.frontierBoard(echarts, style, view.hidden, format);
  const all = <E extends HTMLElement>(selector: string): E[] => Array.from(document.querySelectorAll<E>(selector));
  const announce = (sentence: string): void => {
    const place = document.getElementById('reading');
    if (place) place.textContent = sentence;
  };

  const showRange = (): void => {
    const [from, to] = view.range ?? [];
    for (const input of all<HTMLInputElement>('input[data-range]')) {
      const value = input.name === 'from' ? from : to;
      input.value = value !== undefined && Number.isFinite(value) ? String(+value.toPrecision(6)) : '';
    }
    for (const button of all<HTMLButtonElement>('button[data-reset]'))
      button.disabled = !view.range && view.heights.size === 0;
  };
  const zoomed = (): void => {
    showRange();
    board?.redraw();
  };
  const zoom = board && parts.zoomCharts(board, view, curves, zoomed, announce);

  const showRuns = (): void => {
    const boxes = all<HTMLInputElement>('input[data-show]');
    for (const box of boxes) box.checked = !view.hidden.has(Number(box.dataset.show));
    const shown = boxes.filter(({ checked }) => checked).length;
    for (const count of all('[data-shown]')) count.textContent = `${shown} of ${boxes.length} runs shown`;
    tables.refresh(view.hidden);
    board?.redraw();
    frontier?.redraw();
  };

  const onSwitch = (input: HTMLInputElement): void => {
    if (input.name === 'axis') {
      view.axis = input.value as Axis;
      // Ranges of different axes have nothing in common.
      view.range = undefined;
    }
    if (input.name === 'logarithmic') view.logarithmic = input.checked;
    if (input.name === 'smooth') view.smooth = input.checked;
    if (input.name === 'compiling') view.withoutCompiling = input.checked;
    zoomed();
  };

  const onRange = (): void => {
    const [from, to] = ['from', 'to'].map((name) => {
      const value = document.querySelector<HTMLInputElement>(`input[data-range][name="${name}"]`)?.valueAsNumber;
      return value === undefined || Number.isNaN(value) ? undefined : value;
    });
    view.range = from === undefined && to === undefined ? undefined : [from ?? -Infinity, to ?? Infinity];
    if (view.range && view.range[0] >= view.range[1]) return;
    zoomed();
  };

  // One listener per kind of event, because a live page replaces elements.
  document.addEventListener('change', ({ target }) => {
    if ((target instanceof HTMLSelectElement || target instanceof HTMLInputElement) && 'frontier' in target.dataset)
      return frontier?.choose(target);
    if (!(target instanceof HTMLInputElement)) return;
    if (target.dataset.show !== undefined) {
      const run = Number(target.dataset.show);
      if (target.checked) view.hidden.delete(run);
      else view.hidden.add(run);
      showRuns();
    } else if (target.dataset.switch !== undefined) onSwitch(target);
    else if (target.dataset.range !== undefined) onRange();
  });
  document.addEventListener('click', ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    if (target.dataset.reset !== undefined) zoom?.reset();
    if (target.dataset.all === undefined) return;
    for (const box of all<HTMLInputElement>('input[data-show]')) {
      if (target.dataset.all === 'show') view.hidden.delete(Number(box.dataset.show));
      else view.hidden.add(Number(box.dataset.show));
    }
    showRuns();
  });
  for (const [type, isIn] of [
    ['pointerover', true],
    ['pointerout', false],
    ['focusin', true],
    ['focusout', false],
  ] as const)
    document.addEventListener(type, ({ target }) => {
      const box =
        target instanceof Element && target.closest('.legend label')?.querySelector<HTMLElement>('[data-show]');
      if (box) board?.highlight(isIn ? Number(box.dataset.show) : undefined);
    });
  window.addEventListener('resize', () => {
    board?.resize();
    frontier?.redraw();
  });

  if (window.matchMedia(NARROW).matches)
    for (const details of all<HTMLDetailsElement>('.legend details')) details.open = false;
  board?.show(data.charts);
  frontier?.show(data.frontier);
  showRuns();
  showRange();
  if (data.live)
    parts.followServer(({ charts, frontier: compared }) => {
      board?.show(charts);
      frontier?.show(compared);
      showRuns();
    });
}
