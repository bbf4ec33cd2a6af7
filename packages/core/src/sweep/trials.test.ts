import { failureOf, temporaryFolder } from '@graft/test-support';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { configHash } from '../run/same-run';
import { settingText, shortKeys } from './labels';
import { loadSweep, type LoadSweepOptions, type Sweep } from './trials';

const folder = temporaryFolder();
const { runs: _runs, ...base } = toyConfig('', {});
writeFileSync(join(folder, 'base.json'), JSON.stringify(base));

async function load(sweep: object, options: Partial<LoadSweepOptions> = {}): Promise<Sweep> {
  const file = join(folder, 'rates.json');
  writeFileSync(file, JSON.stringify({ config: 'base.json', ...sweep }));
  return loadSweep({ file, plugins: [toyPlugin], workingFolder: '/elsewhere', ...options });
}

it('each point has a trial for each seed, whose id is the hash of its resolved config', async () => {
  const { name, runs, trials, points } = await load({ grid: { 'train.steps': [1, 2] }, seeds: 2 });
  expect([name, runs]).toEqual(['rates', '/elsewhere/runs/rates']);
  expect(points).toHaveLength(2);
  expect(trials.map(({ label }) => label)).toEqual([
    'steps=1 seed=0',
    'steps=1 seed=1',
    'steps=2 seed=0',
    'steps=2 seed=1',
  ]);
  expect(trials.map(({ point }) => point)).toEqual([0, 0, 1, 1]);
  expect(new Set(trials.map(({ id }) => id)).size).toBe(4);
  expect(trials[3].loaded.config).toMatchObject({ name: 'rates', seed: 1, train: { steps: 2 } });
  expect(trials[3].id).toBe(configHash(trials[3].loaded.config));
  expect(trials[3].overrides).toEqual(['train.steps=2', 'seed=1', 'name=rates', 'runs=/elsewhere/runs']);
});

it('a metric that no trial can have is found before anything runs', async () => {
  const evaluators = [{ use: 'norm', name: 'held' }];
  const check = (metric: string): Promise<Sweep> =>
    load({ seeds: 1, set: { evaluators }, metrics: [{ metric, better: 'less' }] });
  for (const metric of ['held/norm', 'tokensPerSecond', 'loss']) await check(metric);
  for (const [metric, problem] of [
    ['hed/norm', 'no evaluator is called "hed"; did you mean "held"?'],
    ['los', 'a trial has no such number; did you mean "loss"?'],
    ['norm', 'no evaluator is called "norm"; write EVALUATOR/METRIC, where the evaluators are held.'],
  ])
    expect(await failureOf(check(metric))).toMatchObject({
      code: 'sweep.metric',
      message: `${join(folder, 'rates.json')}: the metric "${metric}" cannot be in the table: ${problem}`,
    });
});

it('the folder of runs is that of the sweep, otherwise of the config', async () => {
  expect((await load({ seeds: 1, runs: 'mine', name: 'own' })).runs).toBe(join(folder, 'mine', 'own'));
  mkdirSync(join(folder, 'inner'));
  writeFileSync(join(folder, 'inner', 'config.json'), JSON.stringify({ ...base, runs: 'there' }));
  expect((await load({ seeds: 1, config: 'inner/config.json' })).runs).toBe(join(folder, 'inner', 'there', 'rates'));
});

it('trials that only evaluate need no training, and refuse what is about one', async () => {
  const { objective: _objective, optimizer: _optimizer, train: _train, ...alone } = base as Record<string, unknown>;
  writeFileSync(join(folder, 'alone.json'), JSON.stringify({ ...alone, evaluators: [{ use: 'norm' }] }));
  const sweep = { config: 'alone.json', evaluate: true, grid: { 'model.width': [1, 2] } };
  const { kind, trials } = await load(sweep);
  expect(kind).toBe('evaluation');
  expect(trials.map((trial) => [trial.kind, trial.label, trial.id])).toEqual(
    trials.map(({ label, loaded }) => ['evaluation', label, configHash(loaded.config)]),
  );
  expect(trials.map(({ label }) => label)).toEqual(['width=1', 'width=2']);
  await load({ ...sweep, metrics: [{ metric: 'parameters', better: 'less' }] });
  expect((await failureOf(load({ ...sweep, metrics: [{ metric: 'loss', better: 'less' }] }))).message).toMatch(
    /the metric "loss" cannot be in the table: no evaluator is called "loss"/,
  );
  const failed = await failureOf(load({ ...sweep, match: { by: 'parameters' }, shares: { seed: 0.5 } }));
  expect(failed.message).toMatch(/match: matches trainings, but the trials of this sweep only evaluate/);
  expect(failed.message).toMatch(/shares: are shares of the steps of a training/);
});

it('--set changes all trials, but not what the sweep varies', async () => {
  const { trials } = await load({ seeds: [4] }, { overrides: ['train.steps=3'] });
  expect(trials[0].loaded.config.train!.steps).toBe(3);
  for (const [override, hint] of [
    ['seed=1', 'Change "seeds"'],
    ['train.steps=3', 'Change "train.steps"'],
    ['runs=x', 'Change "runs"'],
  ])
    expect(
      await failureOf(load({ grid: { 'train.steps': [1] }, seeds: [4] }, { overrides: [override] })),
    ).toMatchObject({
      code: 'sweep.override',
      hint: expect.stringContaining(hint),
    });
});

it('mistakes in configs are reported for all trials at once, with the source of each', async () => {
  const grid = { 'train.steps': [1, -1], 'train.batchSise': [2] };
  const failure = failureOf(load({ grid, seeds: 2 }, { overrides: ['train.logEvery=x'] }));
  const { code, message } = (await failure) as Error & { code: string };
  expect(code).toBe('sweep.trials');
  const file = join(folder, 'rates.json');
  expect(message.split('\n')).toEqual([
    'steps=1 batchSise=2 seed=0, steps=1 batchSise=2 seed=1: 2 problems in the config:',
    expect.stringMatching(/^ {2}--set: train\.logEvery: expected number, got "x"$/),
    expect.stringMatching(`  ${file}: train.batchSise: unknown key; did you mean "batchSize"\\?`),
    'steps=-1 batchSise=2 seed=0, steps=-1 batchSise=2 seed=1: 3 problems in the config:',
    expect.stringContaining(`${file}: train.steps: expected more than 0`),
    expect.stringContaining('train.logEvery'),
    expect.stringContaining('train.batchSise'),
  ]);
});

it('mistakes in the file are reported at once', async () => {
  const { message } = (await failureOf(load({ gird: {}, seeds: 0, random: { trials: 1, keys: {} } }))) as Error;
  expect(message.split('\n')).toHaveLength(4);
  expect(message).toContain('unknown key; did you mean "grid"?');
  expect(message).toContain('seeds: expected more than 0');
  expect(message).toContain('random.keys: expected at least one key');
});

test.each([
  [
    ['a.b.c', 'd.c', 'e'],
    ['b.c', 'd.c', 'e'],
  ],
  [
    ['optimizer', 'optimizer.learningRate'],
    ['optimizer', 'learningRate'],
  ],
  [
    ['dataset.files.0', 'evaluators.0'],
    ['files.0', 'evaluators.0'],
  ],
  [
    ['use', 'objective.use'],
    ['use', 'objective.use'],
  ],
])('the shortest keys of %j are %j', (keys, short) => {
  expect(shortKeys(keys)).toEqual(short);
});

test.each([
  [{ use: 'lion' }, 'lion'],
  [{ use: 'lion', learningRate: 1 }, '{"use":"lion","learningRate":1}'],
  [null, 'null'],
  [[1, 2], '[1,2]'],
])('the setting %j is shown as %s', (value, text) => {
  expect(settingText(value)).toBe(text);
});
