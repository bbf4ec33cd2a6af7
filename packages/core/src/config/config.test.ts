import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { BASE, PLUGIN } from '../../test/config-toys';
import { InvalidConfigError, loadConfig, type ExperimentConfig } from './index';

const load = async (value: object, overrides: string[] = [], workingFolder = '/work'): Promise<ExperimentConfig> =>
  (await loadConfig({ value, overrides, plugins: [PLUGIN], workingFolder })).config;

const issuesOf = async (value: object, overrides: string[] = []): Promise<string[]> => {
  const error = await load(value, overrides).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(InvalidConfigError);
  return (error as InvalidConfigError).issues.map(({ path, message }) => `${path}: ${message}`);
};

test('defaults are filled in and written to the resolved config', async () => {
  expect(await load(BASE)).toEqual({
    name: 'test',
    seed: 0,
    plugins: ['toys'],
    engine: { target: 'auto', mode: 'auto' },
    model: { use: 'toy', width: 4, encoderWindow: 'strict' },
    initializer: { use: 'zeros' },
    objective: { use: 'squares' },
    dataset: { use: 'lines', files: '/work/data.txt', tokenizer: { use: 'bytes' } },
    optimizer: { use: 'sgd', learningRate: 0.1 },
    schedule: { use: 'constant', warmupSteps: 0 },
    evaluators: [],
    trackers: [],
    callbacks: [],
    train: {
      steps: 3,
      batchSize: 8,
      precision: 'float32',
      checkpointEvery: 0,
      crossAttentionWarmupSteps: 0,
      explodingLossFactor: 10,
      groups: [],
      keepCheckpoints: 2,
      loader: { threads: 1, batchesAhead: 2, warnAfterSeconds: 60 },
      logEvery: 10,
      microBatches: 1,
      nonFinite: 'stop',
      shardOptimizer: false,
    },
    runs: '/work/runs',
  });
});

test('a resolved config loads to itself', async () => {
  const once = await load(BASE);
  const { plugins: _, ...rest } = once;
  expect(await load({ ...rest, versions: { graft: '0.1.0' } }, [], '/elsewhere')).toEqual(once);
});

test('all errors are reported together, each with path, expectation and the nearest name', async () => {
  const issues = await issuesOf({
    ...BASE,
    optimiser: { use: 'sgd' },
    model: { widht: 3, encoderWindow: 'loose' },
    dataset: { use: 'lines', files: 'x', tokenizer: { use: 'file', pth: 'y' } },
    objective: { use: 'squars' },
    train: { steps: 0, presicion: 'float32' },
    evaluators: [{ use: 'count', evry: 3, of: 4 }],
  });
  expect(issues).toEqual(
    expect.arrayContaining([
      'optimiser: unknown key; did you mean "optimizer"?',
      'model.widht: unknown key; did you mean "width"?',
      'model.encoderWindow: expected one of "strict", "inclusive", got "loose"',
      expect.stringMatching(/^dataset\.tokenizer\.path: expected string, got nothing/),
      'dataset.tokenizer.pth: unknown key; did you mean "path"?',
      'objective.use: There is no objective "squars"; known are "squares"; did you mean "squares" (from toys)?',
      'train.steps: expected more than 0, got 0',
      'train.presicion: unknown key; did you mean "precision"?',
      'evaluators.0.of: expected string, got 4',
      'evaluators.0.evry: unknown key; did you mean "every"?',
    ]),
  );
});

test('missing sections and a missing name are reported', async () => {
  const { optimizer: _o, name: _n, ...rest } = BASE;
  const issues = await issuesOf(rest);
  expect(issues).toEqual(
    expect.arrayContaining([
      'optimizer: expected a component, e.g. { use: sgd }, got nothing',
      'name: expected string, got nothing',
    ]),
  );
});

describe('config files', () => {
  const write = (file: string, text: string): string => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };

  test('relative paths resolve against the file that contains them, and those of --set and defaults against the working folder', async () => {
    const folder = temporaryFolder();
    write(
      join(folder, 'base', 'base.yaml'),
      'dataset: { use: lines, files: [a.txt, sub/b.txt], tokenizer: { use: file, path: t.json } }\ninitializer: { use: load, path: start }\nobjective: squares\noptimizer: sgd\ntrain: { steps: 5 }\n',
    );
    const file = write(
      join(folder, 'exp', 'own.yaml'),
      'extends: ../base/base.yaml\nname: own\ndataset: { tokenizer: { path: mine.json } }\n',
    );
    const { config } = await loadConfig({
      file,
      overrides: ['initializer.path=from/cwd'],
      plugins: [PLUGIN],
      workingFolder: '/cwd',
    });
    expect(config.dataset).toEqual({
      use: 'lines',
      files: [join(folder, 'base', 'a.txt'), join(folder, 'base', 'sub', 'b.txt')],
      tokenizer: { use: 'file', path: join(folder, 'exp', 'mine.json') },
    });
    expect(config.initializer.path).toBe('/cwd/from/cwd');
    expect(config.runs).toBe('/cwd/runs');
  });

  test('YAML, JSON, JavaScript and TypeScript give the same config', async () => {
    const folder = temporaryFolder();
    const value = { ...BASE, dataset: { use: 'lines', files: '/abs.txt' } };
    const files = [
      write(join(folder, 'a.json'), JSON.stringify(value)),
      write(
        join(folder, 'a.yaml'),
        `name: test\ninitializer: zeros\nobjective: { use: squares }\ndataset: { use: lines, files: /abs.txt }\noptimizer: { use: sgd }\ntrain: { steps: 3 }\n`,
      ),
      write(join(folder, 'a.cjs'), `module.exports = ${JSON.stringify(value)};`),
      write(
        join(folder, 'a.ts'),
        `const steps: number = 3;\nexport default { ...${JSON.stringify(value)}, train: { steps } };`,
      ),
    ];
    const configs = await Promise.all(
      files.map(async (file) => (await loadConfig({ file, plugins: [PLUGIN], workingFolder: '/w' })).config),
    );
    for (const config of configs) expect(config).toEqual(configs[0]);
  });

  test('cyclic extends, a missing file and a file that is not an object are reported', async () => {
    const folder = temporaryFolder();
    const a = write(join(folder, 'a.yaml'), 'extends: b.yaml\n');
    write(join(folder, 'b.yaml'), 'extends: a.yaml\n');
    await expect(loadConfig({ file: a, plugins: [PLUGIN] })).rejects.toThrow(/a config cannot extend itself/);
    await expect(loadConfig({ file: join(folder, 'none.yaml'), plugins: [PLUGIN] })).rejects.toThrow(
      /none\.yaml cannot be read as a config: there is no such file/,
    );
    await expect(loadConfig({ file: write(join(folder, 'list.yaml'), '- 1\n'), plugins: [PLUGIN] })).rejects.toThrow(
      /should hold keys and values/,
    );
    await expect(loadConfig({ file: write(join(folder, 'bad.yaml'), 'a: [1\n'), plugins: [PLUGIN] })).rejects.toThrow(
      /bad\.yaml cannot be read as a config/,
    );
  });

  test('an error names the file that contains the key', async () => {
    const folder = temporaryFolder();
    const base = write(join(folder, 'base.yaml'), 'trian: { steps: 5 }\n');
    const file = write(join(folder, 'own.yaml'), 'extends: base.yaml\nname: own\n');
    const error = await loadConfig({ file, plugins: [PLUGIN] }).catch((e: unknown) => e as InvalidConfigError);
    expect((error as InvalidConfigError).issues).toContainEqual({
      source: base,
      path: 'trian',
      message: 'unknown key; did you mean "train"?',
      expected: expect.stringContaining('one of name, seed,') as string,
      nearest: 'train',
    });
  });

  test('a plugin file is loaded relative to its config', async () => {
    const folder = temporaryFolder();
    write(
      join(folder, 'mine.cjs'),
      `const { z } = require(${JSON.stringify(require.resolve('zod'))}); module.exports.plugin = { name: 'mine', components: [{ interface: 'objective', id: 'own', description: '', options: z.strictObject({}), useFactory: () => ({}) }] };`,
    );
    const file = write(
      join(folder, 'c.yaml'),
      'plugins: [./mine.cjs]\nname: x\ninitializer: zeros\nobjective: own\ndataset: { use: lines, files: x }\noptimizer: sgd\ntrain: { steps: 1 }\n',
    );
    const { config } = await loadConfig({ file, plugins: [PLUGIN] });
    expect(config.objective).toEqual({ use: 'own' });
    expect(config.plugins).toEqual(['toys', join(folder, 'mine.cjs')]);
  });
});

describe('the engine', () => {
  test.each([
    ['tensorflow', { target: 'tensorflow', mode: 'auto' }],
    ['pjrt', { target: 'auto', mode: 'pjrt' }],
    ['mixed', { target: 'auto', mode: 'mixed' }],
    [
      { device: 'cuda', require: true },
      { target: 'auto', mode: 'auto', device: 'cuda', require: true },
    ],
  ])('%j is a short or a long form', async (engine, expected) => {
    expect((await load({ ...BASE, engine })).engine).toEqual(expected);
  });

  test('a word given with --set replaces target and mode of the file', async () => {
    expect((await load({ ...BASE, engine: 'tensorflow' }, ['engine=portable'])).engine).toEqual({
      target: 'auto',
      mode: 'portable',
    });
  });

  test('keys that contradict each other are an issue of the section', async () => {
    expect(await issuesOf({ ...BASE, engine: { mode: 'xla', device: 'cuda' } })).toEqual([
      'engine: engine mode "xla" computes on CPUs alone, not on the device "cuda". Name the target pjrt, or only the device.',
    ]);
    expect(await issuesOf({ ...BASE, engine: { device: 'gpu' } })).toEqual([
      expect.stringContaining('engine.device: ') as string,
    ]);
  });
});
