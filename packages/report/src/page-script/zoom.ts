import type { ChartBoard, CurveTools, Drawn, Range, View } from './types';

/** The charts' gestures and keys. Its source text is embedded in the page: it uses nothing outside itself but types. */
export function zoomCharts(
  board: ChartBoard,
  view: View,
  { stops }: CurveTools,
  changed: () => void,
  announce: (sentence: string) => void,
): { reset(): void } {
  /** Minimum distance in pixels that turns a movement of the pointer into a selection. */
  const DRAG = 8;
  /** Minimum height in pixels at which a selection also zooms the y axis. */
  const HEIGHT = 40;
  let drag: { drawn: Drawn; x: number; y: number; box: HTMLElement } | undefined;
  /** Index among the stops of the focused chart. */
  let cursor = -1;

  const reset = (): void => {
    view.range = undefined;
    view.heights.clear();
    changed();
  };

  const spot = ({ element }: Drawn, event: PointerEvent): [number, number] => {
    const { left, top, width, height } = element.getBoundingClientRect();
    const within = (value: number, most: number): number => Math.max(0, Math.min(most, value));
    return [within(event.clientX - left, width), within(event.clientY - top, height)];
  };

  const sorted = (a: number, b: number): Range => (a < b ? [a, b] : [b, a]);

  document.addEventListener('pointerdown', (event) => {
    const drawn = event.button === 0 ? board.at(event.target) : undefined;
    if (!drawn) return;
    const [x, y] = spot(drawn, event);
    if (!drawn.instance.containPixel('grid', [x, y])) return;
    const box = document.createElement('div');
    box.className = 'selection';
    drawn.element.append(box);
    drag = { drawn, x, y, box };
  });
  document.addEventListener('pointermove', (event) => {
    if (!drag) return;
    const [x, y] = spot(drag.drawn, event);
    const isTall = Math.abs(y - drag.y) >= HEIGHT;
    const [left, right] = sorted(x, drag.x);
    const [top, bottom] = isTall ? sorted(y, drag.y) : [0, drag.drawn.element.clientHeight];
    Object.assign(drag.box.style, {
      left: `${left}px`,
      width: `${right - left}px`,
      top: `${top}px`,
      height: `${bottom - top}px`,
    });
  });
  document.addEventListener('pointerup', (event) => {
    if (!drag) return;
    const { drawn, x, y, box } = drag;
    const [endX, endY] = spot(drawn, event);
    box.remove();
    drag = undefined;
    if (Math.abs(endX - x) < DRAG) return;
    const along = (pixel: number): number => drawn.instance.convertFromPixel({ xAxisIndex: 0 }, pixel);
    const up = (pixel: number): number => drawn.instance.convertFromPixel({ yAxisIndex: 0 }, pixel);
    view.range = sorted(along(x), along(endX));
    if (Math.abs(endY - y) >= HEIGHT) view.heights.set(drawn.chart.id, sorted(up(y), up(endY)));
    changed();
  });
  // The browser turned the touch into scrolling.
  document.addEventListener('pointercancel', () => {
    drag?.box.remove();
    drag = undefined;
  });
  document.addEventListener('dblclick', (event) => {
    if (board.at(event.target)) reset();
  });
  document.addEventListener('focusin', () => (cursor = -1));

  const zoomAround = (all: readonly number[], factor: number): void => {
    const [from, to] = [all[0], all[all.length - 1]];
    const middle = all[cursor] ?? (from + to) / 2;
    const half = ((to - from) / 2) * factor;
    cursor = -1;
    if (half <= 0) return;
    view.range = [middle - half, middle + half];
    changed();
  };

  document.addEventListener('keydown', (event) => {
    const drawn = board.at(event.target);
    if (!drawn || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = stops(drawn.chart, view);
    const stride = event.shiftKey ? Math.max(1, Math.round(all.length / 20)) : 1;
    const moves: Record<string, number> = {
      ArrowLeft: cursor - stride,
      ArrowRight: cursor + stride,
      Home: 0,
      End: all.length - 1,
    };
    if (event.key in moves && all.length > 0) {
      cursor = Math.max(0, Math.min(all.length - 1, moves[event.key]));
      announce(board.readOff(drawn, all[cursor]));
    } else if (event.key === '+' || event.key === '=') zoomAround(all, 0.5);
    else if (event.key === '-') zoomAround(all, 2);
    else if (event.key === '0' || event.key === 'Escape') reset();
    else return;
    event.preventDefault();
  });
  return { reset };
}
