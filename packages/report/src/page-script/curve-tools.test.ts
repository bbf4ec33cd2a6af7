import type { Chart, ChartLine } from '../charts';
import { curveTools } from './curve-tools';
import type { View } from './types';

const line = (color: number, values: (number | null)[], more: Partial<ChartLine['x']> = {}): ChartLine => ({
  run: `run ${color}`,
  color,
  x: {
    steps: values.map((_, i) => i + 1),
    tokens: values.map((_, i) => 100 * (i + 1)),
    seconds: values.map((_, i) => 10 + i),
    ...more,
  },
  values,
});
const chart = (...lines: ChartLine[]): Chart => ({
  id: 'chart-loss',
  title: 'Loss',
  section: 'model',
  smooth: true,
  canBeLogarithmic: true,
  lines,
});
const view = (changes: Partial<View> = {}): View => ({
  axis: 'steps',
  logarithmic: false,
  smooth: true,
  withoutCompiling: false,
  hidden: new Set(),
  heights: new Map(),
  ...changes,
});
const { visible, points, stops, readings, smoothed } = curveTools();

test('the seconds axis leaves out compiling by choice', () => {
  const one = line(0, [3, 2], { compileSeconds: [9, 9] });
  expect(points(one, view({ axis: 'seconds' }), one.values)).toEqual([
    [10, 3],
    [11, 2],
  ]);
  expect(points(one, view({ axis: 'seconds', withoutCompiling: true }), one.values)).toEqual([
    [1, 3],
    [2, 2],
  ]);
});

test('samples are steps times the batch size, and a line without one is not on that axis', () => {
  const [known, unknown] = [line(0, [3, 2], { samplesPerStep: 8 }), line(1, [3, 2])];
  expect(points(known, view({ axis: 'samples' }), known.values)).toEqual([
    [8, 3],
    [16, 2],
  ]);
  expect(visible(chart(known, unknown), view({ axis: 'samples' }))).toEqual([known]);
});

test('hidden runs have neither a line nor a reading', () => {
  const both = chart(line(0, [3, 2]), line(1, [5, 4]));
  expect(visible(both, view({ hidden: new Set([0]) })).map(({ color }) => color)).toEqual([1]);
  expect(readings(both, view({ hidden: new Set([0]) }), 2).map(({ value }) => value)).toEqual([4]);
});

test('a zoomed line continues to its neighbours outside the range', () => {
  const one = line(0, [5, 4, 3, 2, 1]);
  const xs = (range: [number, number]): number[] => points(one, view({ range }), one.values).map(([x]) => x);
  expect(xs([3, 3])).toEqual([2, 3, 4]);
  expect(xs([2.2, 2.8])).toEqual([2, 3]);
  expect(stops(chart(one), view({ range: [2, 4] }))).toEqual([2, 3, 4]);
});

test('readings name the run, are nearest to x and leave out runs that ended before', () => {
  const both = chart(line(0, [3, null, 1, 0.5]), line(1, [5, 4]));
  expect(readings(both, view(), 2).map(({ line: { run }, x, value }) => [run, x, value])).toEqual([
    ['run 1', 2, 4],
    ['run 0', 1, 3],
  ]);
  expect(readings(both, view(), 4).map(({ line: { run } }) => run)).toEqual(['run 0']);
});

test('only long noisy lines are smoothed, and gaps stay', () => {
  const long = line(
    0,
    Array.from({ length: 300 }, (_, i) => (i === 5 ? null : i % 2)),
  );
  const smooth = smoothed(chart(long), long, view())!;
  expect(smooth[5]).toBeNull();
  expect(smooth[100]).toBeCloseTo(0.5, 0);
  expect(smoothed(chart(long), long, view({ smooth: false }))).toBeUndefined();
  expect(smoothed(chart(line(0, [1, 2])), line(0, [1, 2]), view())).toBeUndefined();
});
