import { failureOf } from '@graft/test-support';
import { sweepPoints, type SweepPoint } from './points';
import { SweepSection } from './schema';

const points = (sweep: object): SweepPoint[] => sweepPoints(SweepSection.parse(sweep), '/sweeps/s.yaml');
const failure = (sweep: object): Promise<unknown> => failureOf(Promise.resolve().then(() => points(sweep)));
const base = { config: 'base.yaml' };

it('a grid has all combinations, and each arm of a list has each of them', () => {
  const found = points({
    list: [{ label: 'x' }, { label: 'y', config: '../other.yaml', set: { 'model.size': 2 } }],
    config: 'base.yaml',
    grid: { a: [1, 2], 'b.c': ['p', 'q'] },
  });
  expect(found).toHaveLength(8);
  expect(found.slice(0, 3).map(({ varied }) => varied)).toEqual([
    [
      ['a', 1],
      ['b.c', 'p'],
    ],
    [
      ['a', 1],
      ['b.c', 'q'],
    ],
    [
      ['a', 2],
      ['b.c', 'p'],
    ],
  ]);
  expect(found[0]).toMatchObject({ arm: 'x', config: '/sweeps/base.yaml' });
  expect(found[4]).toMatchObject({ arm: 'y', config: '/other.yaml' });
  expect(found[4].settings).toContainEqual(['model.size', 2]);
});

it('a section comes before keys inside it, whichever section of the sweep sets them', () => {
  const [{ settings }] = points({
    ...base,
    set: { 'optimizer.clipNorm': 1, steps: 5 },
    grid: { 'optimizer.learningRate': [0.1], optimizer: ['lion'] },
  });
  expect(settings.map(([key]) => key)).toEqual(['optimizer', 'optimizer.clipNorm', 'steps', 'optimizer.learningRate']);
});

describe('random draws', () => {
  const keys = {
    rate: { from: 1e-4, to: 1e-1, scale: 'log' },
    size: { from: 2, to: 4, whole: true },
    kind: { values: ['p', 'q'] },
  };
  const draws = (random: object): Record<string, unknown>[] =>
    points({ ...base, random }).map(({ varied }) => Object.fromEntries(varied));

  it('they are within their ranges, reach all values, and half of a log scale is below its geometric mean', () => {
    const all = draws({ trials: 400, keys });
    const rates = all.map(({ rate }) => rate as number);
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(1e-4);
    expect(Math.max(...rates)).toBeLessThanOrEqual(1e-1);
    const below = rates.filter((rate) => rate < Math.sqrt(1e-5)).length / rates.length;
    expect(Math.abs(below - 0.5)).toBeLessThan(0.1);
    expect([...new Set(all.map(({ size }) => size))].sort()).toEqual([2, 3, 4]);
    expect([...new Set(all.map(({ kind }) => kind))].sort()).toEqual(['p', 'q']);
  });

  it('more draws keep the earlier ones, another key changes no other, and another seed gives others', () => {
    const few = draws({ trials: 3, keys });
    expect(draws({ trials: 5, keys }).slice(0, 3)).toEqual(few);
    const { kind: _, ...less } = keys;
    expect(draws({ trials: 3, keys: less })).toEqual(few.map(({ kind: _kind, ...own }) => own));
    expect(draws({ trials: 3, seed: 1, keys })).not.toEqual(few);
  });
});

it.each([
  [{ ...base }, 'nothing varies'],
  [{ seeds: 2 }, '"config" is missing'],
  [{ list: [{ label: 'x' }] }, 'the arm "x" has no config'],
  [{ ...base, list: [{ label: 'x' }, { label: 'x' }] }, 'two arms of "list" have the label "x"'],
  [{ ...base, grid: { a: [1] }, set: { a: 2 } }, 'both "set" and "grid" set "a"'],
  [
    { ...base, grid: { a: [1] }, random: { trials: 1, keys: { a: { values: [1] } } } },
    'both "grid" and "random" set "a"',
  ],
  [{ ...base, grid: { seed: [1, 2] } }, '"grid" sets "seed"'],
  [{ ...base, seeds: 2, set: { seed: 1 } }, 'both "set" and "seeds" set "seed"'],
  [{ ...base, grid: { runs: ['a'] } }, 'a trial is identified without it'],
  [{ ...base, seeds: 1, set: { name: 'a' } }, '"set" has "name"'],
  [{ ...base, grid: { a: Array(101).fill(1), b: Array(100).fill(1) } }, 'it has 10100 settings, 1 x 101 x 100 x 1'],
])('%j is refused: %s', async (sweep, problem) => {
  expect(await failure(sweep)).toMatchObject({ code: 'sweep.invalid', message: expect.stringContaining(problem) });
});
