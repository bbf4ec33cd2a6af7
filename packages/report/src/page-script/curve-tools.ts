import type { Chart, ChartLine } from '../charts';
import type { CurveTools, Reading, View } from './types';

/**
 * Computes the points to draw of a line, and the values to read from it. Its source text is embedded in the page: it
 * uses nothing outside itself but types.
 */
export function curveTools(): CurveTools {
  const SMOOTHED_FROM_POINTS = 100;

  const xOf = ({ x }: ChartLine, { axis, withoutCompiling }: View): readonly (number | null)[] => {
    if (axis === 'samples') {
      const each = x.samplesPerStep;
      return x.steps.map((step) => (each === undefined ? null : step * each));
    }
    const compiled = x.compileSeconds;
    if (axis !== 'seconds' || !withoutCompiling || !compiled) return x[axis];
    return x.seconds.map((seconds, i) => (seconds === null ? null : seconds - (compiled[i] ?? 0)));
  };

  const isIn = (x: number, { range }: View): boolean => !range || (x >= range[0] && x <= range[1]);

  const visible = ({ lines }: Chart, view: View): ChartLine[] =>
    lines
      .filter(({ color }) => !view.hidden.has(color))
      .filter((line) => {
        const x = xOf(line, view);
        return line.values.some((value, i) => value !== null && x[i] !== null);
      });

  const smoothed = (chart: Chart, { values }: ChartLine, view: View): (number | null)[] | undefined => {
    if (!chart.smooth || !view.smooth || values.length <= SMOOTHED_FROM_POINTS) return undefined;
    const radius = Math.floor(values.length / SMOOTHED_FROM_POINTS);
    return values.map((own, i) => {
      if (own === null) return null;
      const around = values.slice(Math.max(0, i - radius), i + radius + 1).filter((value) => value !== null);
      return around.reduce((sum, value) => sum + value, 0) / around.length;
    });
  };

  return {
    visible,
    smoothed,
    points: (line, view, values) => {
      const x = xOf(line, view);
      const known = values.flatMap((value, i): [number, number | null][] => (x[i] === null ? [] : [[x[i], value]]));
      if (!view.range) return known;
      const isNear = (i: number): boolean => known[i] !== undefined && isIn(known[i][0], view);
      const from = view.range[0];
      return known.filter(
        (_, i) =>
          isNear(i) ||
          isNear(i - 1) ||
          isNear(i + 1) ||
          // The range may lie between two points.
          (known[i][0] < from && known[i + 1]?.[0] > from) ||
          (known[i][0] > from && known[i - 1]?.[0] < from),
      );
    },
    stops: (chart, view) => {
      const stops = new Set<number>();
      for (const line of visible(chart, view)) {
        const x = xOf(line, view);
        line.values.forEach((value, i) => {
          const own = x[i];
          if (value !== null && own !== null && isIn(own, view)) stops.add(own);
        });
      }
      return [...stops].sort((a, b) => a - b);
    },
    readings: (chart, view, x) => {
      const found = visible(chart, view).flatMap((line): Reading[] => {
        const own = xOf(line, view);
        let best = -1;
        let [first, last] = [Infinity, -Infinity];
        line.values.forEach((value, i) => {
          const at = own[i];
          if (value === null || at === null) return;
          [first, last] = [Math.min(first, at), Math.max(last, at)];
          if (best < 0 || Math.abs(at - x) < Math.abs(own[best]! - x)) best = i;
        });
        // A line that ended earlier has no reading here; the tolerance covers rounding between values and pixels.
        const tolerance = (last - first) / 100;
        if (best < 0 || x < first - tolerance || x > last + tolerance) return [];
        const smooth = smoothed(chart, line, view)?.[best] ?? undefined;
        return [{ line, x: own[best]!, value: line.values[best]!, smoothed: smooth }];
      });
      return found.sort((a, b) => (b.smoothed ?? b.value) - (a.smoothed ?? a.value));
    },
  };
}
