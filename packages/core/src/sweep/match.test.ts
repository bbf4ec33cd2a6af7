import { failureOf, temporaryFolder } from '@graft/test-support';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import type { LoadedExperiment } from '../config';
import { checkLatencies } from './check-latencies';
import { matchPoints } from './match';
import type { SweepPoint } from './points';
import { SweepSection, type MatchSection } from './schema';
import type { TrainingTrial } from './trial';
import { loadSweep, type Sweep } from './trials';

const folder = temporaryFolder();
const { runs: _runs, ...base } = toyConfig('', {});
writeFileSync(join(folder, 'base.json'), JSON.stringify(base));

async function load(sweep: object, overrides: string[] = []): Promise<Sweep> {
  const file = join(folder, 'matched.json');
  writeFileSync(file, JSON.stringify({ config: 'base.json', runs: '.', name: 'matched', ...sweep }));
  return loadSweep({ file, plugins: [toyPlugin], overrides });
}

/** Arms whose models differ in `outputs`, and so in parameters: 6 more for each (a row of w, and one of b). */
const list = [
  { label: 'two', set: { 'model.outputs': 2 } },
  { label: 'three', set: { 'model.outputs': 3 } },
];

it('arms with other numbers of parameters are refused, unless the tolerance allows them', async () => {
  const match = { by: 'parameters' };
  expect(await failureOf(load({ list, match }))).toMatchObject({
    code: 'sweep.unmatched',
    message: expect.stringContaining(
      'not all arms match by parameters within 5 %: "three" has 14, "two" 10 (+40.0 %).',
    ),
  });
  const { match: found } = await load({ list, match: { ...match, tolerance: 0.5, to: 'three' } });
  expect(found).toMatchObject({ by: 'parameters', costs: [10, 14] });
});

describe('by training FLOPs', () => {
  const point = (arm: string, settings: SweepPoint['settings'] = []): SweepPoint => ({
    ...{ arm, settings },
    ...{ config: '', varied: [], shares: [] },
  });
  const { match: section } = SweepSection.parse({ match: { by: 'training-flops', to: 'a' } });
  /** Points of arms whose steps take these FLOPs; each config has 100 steps. */
  const matched = (
    points: SweepPoint[],
    flops: readonly (number | undefined)[],
    set: Record<string, unknown> = {},
  ): ReturnType<typeof matchPoints> =>
    matchPoints({
      ...{ file: 's.yaml', points, match: section as MatchSection, set },
      trials: points.map((_, i) => {
        // That of the last arm gives its length in tokens.
        const train = i < points.length - 1 ? { steps: 100 } : { tokens: 5000 };
        const loaded = { config: { train }, flops: flops[i] } as unknown as LoadedExperiment;
        return { kind: 'training', point: i, label: points[i].arm, loaded } as TrainingTrial;
      }),
      dryRun: async (loaded) => ({
        steps: 100,
        model: { parameters: 1 },
        flopsPerStep: (loaded as unknown as { flops?: number }).flops,
      }),
    });

  it('the steps of the others follow from what a step of theirs costs', async () => {
    const { points, costs } = await matched([point('a'), point('b'), point('c')], [10, 20, 3]);
    expect(points.map(({ steps }) => steps)).toEqual([undefined, 50, 333]);
    expect(points.map(({ replacedLength }) => replacedLength)).toEqual([undefined, undefined, 'tokens']);
    expect(costs).toEqual([1000, 1000, 999]);
  });

  it('an arm is refused if whole steps do not come close enough, or if it sets its steps', async () => {
    expect(await failureOf(matched([point('a'), point('b')], [10, 700]))).toMatchObject({
      code: 'sweep.unmatched',
      message: expect.stringContaining('"b" has 7.000e+2, "a" 1.000e+3 (-30.0 %)'),
    });
    expect(await failureOf(matched([point('a'), point('b', [['train.steps', 5]])], [10, 20]))).toMatchObject({
      code: 'sweep.match',
      message: expect.stringContaining('"match" sets train.steps of the arm "b"'),
    });
    expect(await failureOf(matched([point('a'), point('b')], [10, undefined]))).toMatchObject({ code: 'sweep.match' });
    // What the sweep sets for all arms is the length of the one that the others match.
    const both = [point('a', [['train.steps', 100]]), point('b', [['train.steps', 100]])];
    expect((await matched(both, [10, 20], { 'train.steps': 100 })).points[1].steps).toBe(50);
  });
});

it('shares of steps follow the steps of the training', async () => {
  const { trials } = await load(
    { list: [{ label: 'x', shares: { 'train.checkpointEvery': 0.25 } }], shares: { 'train.logEvery': 0.5 } },
    ['train.steps=20'],
  );
  expect(trials[0].loaded.config.train).toMatchObject({ steps: 20, checkpointEvery: 5, logEvery: 10 });
  const inTokens = load({ list: [{ label: 'x' }], shares: { 'train.logEvery': 0.5 } }, [
    'train.steps=null',
    'train.tokens=500',
  ]);
  expect((await failureOf(inTokens)).message).toMatch(/which the config does not give\. Give train\.steps in place of/);
});

it.each([
  [{ seeds: 1, match: { by: 'parameters' } }, 'compares the arms of a "list", and there are not two of them'],
  [
    { list, match: { by: 'parameters', to: 'tree' } },
    '"match.to" is "tree", which is not the label of an arm; did you mean "three"?',
  ],
])('%j is refused', async (sweep, problem) => {
  expect(await failureOf(load(sweep))).toMatchObject({
    code: 'sweep.match',
    message: expect.stringContaining(problem),
  });
});

it('latencies are measured once, and kept beside the runs', async () => {
  const sweep = await load({ list, match: { by: 'latency' } });
  const measured: string[] = [];
  const latencies: Record<string, number> = { two: 0.1, three: 0.104 };
  const runs = temporaryFolder();
  const check = (): Promise<void> =>
    checkLatencies({ ...sweep, runs }, { measure: async ({ label }) => (measured.push(label), latencies[label]) });
  await check();
  // The first measurement of a process does not count.
  expect(measured).toEqual(['two', 'two', 'three']);
  latencies.three = 0.2;
  await check();
  expect(measured).toHaveLength(3);
  writeFileSync(
    join(runs, 'latencies.json'),
    readFileSync(join(runs, 'latencies.json'), 'utf8').replace('0.104', '-1'),
  );
  expect(await failureOf(check())).toMatchObject({
    code: 'sweep.unmatched',
    message: expect.stringContaining('"three" has 200.0 ms, "two" 100.0 ms (+100.0 %)'),
  });
});
