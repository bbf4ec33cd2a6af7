import type { RunData } from '../read-run';
import { compareModels, type ComparedModel } from './models';
import { dominates, frontier } from './pareto';
import { frontierSection } from './section';

const evaluators = [
  { use: 'loss', name: 'heldOut', dataset: { use: 'text', files: '/a.txt' } },
  { use: 'benchmarks', data: '/b' },
  { use: 'latency' },
];

interface Numbers {
  readonly seed?: number;
  readonly parameters?: number;
  readonly heldOut?: Record<string, number>;
  readonly benchmarks?: Record<string, number>;
  readonly latency?: Record<string, number>;
}

function run(name: string, { seed = 1, parameters, ...evaluated }: Numbers, config: object = {}): RunData {
  return {
    folder: `/runs/${name}/1`,
    title: `${name}/1`,
    record: { name, id: '1', status: 'finished', createdAt: '', updatedAt: '', steps: 2, parameters },
    config: { name, seed, objective: { use: 'prefix-lm' }, evaluators, model: name.split('-')[0], ...config },
    training: [],
    evaluated: [],
    evaluations: Object.entries(evaluated).map(([evaluator, metrics]) => ({ step: 2, evaluator, metrics, seconds: 1 })),
    rows: new Map(),
    totals: { tokens: 20, seconds: 10, compileSeconds: 4 },
  };
}

const compared = (...runs: RunData[]): ReturnType<typeof compareModels> =>
  compareModels(
    runs,
    runs.map(({ title }) => title),
  );
const titles = (models: readonly ComparedModel[]): string[] => models.map(({ title }) => title);

test('runs that differ in their seed and name alone are one model, with the mean and its interval', () => {
  const { models, qualities } = compared(
    run('small-a', { seed: 1, heldOut: { loss: 2 } }),
    run('small-b', { seed: 2, heldOut: { loss: 3 } }),
    run('large', { heldOut: { loss: 1 } }),
  );
  expect(titles(models)).toEqual(['small-a and others (2 seeds)', 'large/1']);
  const [loss] = qualities;
  expect(models[0].values.get(loss.key)).toEqual({ mean: 2.5, low: 2, high: 3, count: 2 });
  expect(models[1].values.get(loss.key)).toEqual({ mean: 1, count: 1 });
  expect(models[1].values.get('training')?.mean).toBe(6);
});

test('the same seed twice is not a second measurement', () => {
  const { models } = compared(run('small-a', { heldOut: { loss: 2 } }), run('small-b', { heldOut: { loss: 3 } }));
  expect(titles(models)).toEqual(['small-a/1', 'small-b/1']);
});

test('costs are what latency measured, without its counts; qualities have a direction', () => {
  const { qualities, costs } = compared(
    run('a', {
      parameters: 10,
      heldOut: { loss: 2, tokens: 50 },
      latency: { 'batch1.all/ms': 3, 'batch1.all/q1': 2, 'batch1.tokensPerSecond': 5 },
    }),
  );
  expect(qualities.map(({ title, better }) => [title, better])).toEqual([['heldOut: loss', 'less']]);
  expect(costs.map(({ title }) => title)).toEqual(['Parameters', 'Training', 'latency: batch1.all/ms']);
});

test('measurements of different data are not compared', () => {
  const { qualities } = compared(
    run('a', { heldOut: { loss: 2, tokens: 50 } }),
    run('b', { heldOut: { loss: 2, tokens: 60 } }),
  );
  expect(qualities).toEqual([]);
});

test('a model dominates another that is no better and costs no less, and the frontier has those without a master', () => {
  const { models, qualities, costs } = compared(
    run('cheap', { parameters: 10, heldOut: { loss: 3 } }),
    run('good', { parameters: 30, heldOut: { loss: 1 } }),
    run('bad', { parameters: 30, heldOut: { loss: 2 } }),
    run('unknown', { heldOut: { loss: 0.5 } }),
  );
  const [cheap, good, bad, unknown] = models;
  const axes = [qualities[0], costs[0]];
  expect(costs[0].title).toBe('Parameters');
  expect(dominates(axes, good, bad)).toBe(true);
  for (const [a, b] of [
    [bad, good],
    [cheap, bad],
    [good, cheap],
    [good, good],
    [unknown, bad],
  ])
    expect(dominates(axes, a, b)).toBe(false);
  expect(titles(frontier(axes[0], axes[1], models))).toEqual(['cheap/1', 'good/1']);
});

test('the section names who dominates whom, and how two scores correlate', () => {
  const numbers: [string, number, number, number][] = [
    ['a', 10, 3, 0.2],
    ['b', 20, 2, 0.4],
    ['c', 30, 2.5, 0.3],
    ['d', 40, 1, 0.9],
  ];
  const runs = numbers.map(([name, parameters, loss, accuracy]) =>
    run(name, { parameters, heldOut: { loss }, benchmarks: { pretraining: accuracy, 'arc-easy/accuracy': accuracy } }),
  );
  const { html, data } = frontierSection(
    runs,
    runs.map(({ record }) => record.name),
  );
  const cells = (heading: string): string[] =>
    html
      .split(/<tr[^>]*>/)
      .filter((row) => row.includes(`>${heading}</th>`) || row.includes(`/svg>${heading}</th>`))[0]
      .split(/<\/t[dh]>/)
      .map((cell) => cell.replace(/<[^>]*>/g, '').trim());
  expect(cells('c')).toEqual(['c', '2.5', '30', '6', 'b', '']);
  expect(cells('b')).toEqual(['b', '2', '20 ◆', '6', '–', '']);
  expect(html).toContain('Rank correlations of the scores');
  expect(html).toMatch(/1\.00 \(n 4, p 0\.083\)/);
  expect(data?.points.map(({ title }) => title)).toEqual(['a', 'b', 'c', 'd']);
  expect(data?.points[0].qualities[0]).toEqual([3, null, null]);
  expect(frontierSection([runs[0]], ['a'])).toEqual({ html: '' });
});
