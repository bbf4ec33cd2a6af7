import type { SweepPoint } from './points';
import { summarize } from './summary';

const points = ['a', 'b', 'c'].map((arm): SweepPoint => ({
  arm,
  config: '',
  varied: [],
  settings: [],
  shares: [],
}));
const better = (metric: string): 'less' | undefined => (metric === 'loss' ? 'less' : undefined);

it('a row has the means over the seeds of a point, and the best mean of each metric is marked', () => {
  const rows = summarize({
    points,
    trialsPerPoint: 2,
    better,
    numbers: [
      { point: 0, metrics: { loss: 1, seconds: 5 } },
      { point: 0, metrics: { loss: 3 } },
      { point: 1, metrics: { loss: 4, seconds: 1 } },
    ],
  });
  expect(rows.map(({ finished, trials, best }) => [finished, trials, best])).toEqual([
    [2, 2, ['loss']],
    [1, 2, []],
    [0, 2, []],
  ]);
  expect(rows[0].metrics.loss).toMatchObject({ mean: 2, low: 1, high: 3, count: 2 });
  // Only one of the two has it.
  expect(rows[0].metrics.seconds).toEqual({ mean: 5, count: 1 });
  expect(rows[1].metrics.loss).toEqual({ mean: 4, count: 1 });
  expect(rows[2].metrics).toEqual({});
});

it('nothing is best where there is nothing to compare with, or no number', () => {
  const alone = summarize({ points, trialsPerPoint: 1, better, numbers: [{ point: 1, metrics: { loss: 1 } }] });
  expect(alone.flatMap(({ best }) => best)).toEqual([]);
  const diverged = [NaN, 2, 1].map((loss, point) => ({ point, metrics: { loss } }));
  expect(summarize({ points, trialsPerPoint: 1, better, numbers: diverged }).map(({ best }) => best)).toEqual([
    [],
    [],
    ['loss'],
  ]);
});

it('equal means share the mark', () => {
  const numbers = [1, 1].map((loss, point) => ({ point, metrics: { loss } }));
  const rows = summarize({ points: points.slice(0, 2), trialsPerPoint: 1, better, numbers });
  expect(rows.map(({ best }) => best)).toEqual([['loss'], ['loss']]);
});
