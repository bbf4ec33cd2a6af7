import { cacheFolder } from '@graft/engine';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { close, listen, type FakeMlflow } from '../../../plugins/mlflow/test-support/fake-mlflow';
import { graft, readJson, runFolderOf, write, type Outcome } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

/** A third-party plugin that is careless with its secrets: it logs them, and its errors hold them. */
const PLUGIN = `
import { defineComponent, definePlugin, componentOption, secret } from '@graft/core';
import { z } from 'zod';

const Keys = {
  key: secret(),
  headers: z.record(z.string(), secret()).default({}),
  logins: z.array(z.union([z.strictObject({ user: z.string(), pass: secret() }), z.literal('none')])).default([]),
  address: z.string().default(''),
  fail: z.boolean().default(false),
};

function all({ key, headers, logins, address }) {
  const passes = logins.filter((login) => login !== 'none').map(({ pass }) => pass);
  return [key, ...Object.values(headers), ...passes].map((one) => one.reveal()).join(' and ') + ' for ' + address;
}

const careless = (options, logger) => {
  logger.info('The keys are ' + all(options) + ', ' + JSON.stringify(options));
  if (options.fail) throw new Error('No answer with ' + all(options));
};

export const plugin = definePlugin({
  name: 'careless',
  components: [
    defineComponent({
      interface: 'tracker', id: 'post', description: 'a tracker', options: z.strictObject(Keys),
      useFactory: ({ options, logger, run }) => ({
        start: async () => { logger.info(JSON.stringify(run.config)); careless(options, logger); },
        log: () => undefined,
        finish: async () => { throw new Error('The end: ' + all(options)); },
      }),
    }),
    defineComponent({
      interface: 'evaluator', id: 'ask', description: 'an evaluator', options: z.strictObject(Keys),
      useFactory: ({ options, logger }) => ({
        evaluate: async () => { careless(options, logger); return { value: 1 }; },
      }),
    }),
    defineComponent({
      interface: 'dataset', id: 'sealed', description: 'a dataset behind a key',
      options: z.strictObject({ ...Keys, inner: componentOption('dataset') }),
      useFactory: ({ options, logger, components }) => {
        careless(options, logger);
        return components.create('dataset', options.inner);
      },
    }),
  ],
});
`;

/** One process for most commands, which forgets secrets in between. */
const shared = sharedProcess();
const folder = temporaryFolder();
const temporary = temporaryFolder();
const began = Date.now();
let server: FakeMlflow;

const environment = {
  TMPDIR: temporary,
  GRAFT_TEST_KEY: 'canary-variable-5521',
  MLFLOW_TRACKING_USERNAME: 'canary-user-variable',
  MLFLOW_TRACKING_PASSWORD: 'canary-pass-variable',
};

beforeAll(async () => {
  server = await listen();
  write(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(200));
  write(join(folder, 'careless.ts'), PLUGIN);
  chmodSync(write(join(folder, 'secret.txt'), 'canary-file-9934\n'), 0o600);
  mkdirSync(join(folder, 'out'));
});

afterAll(() => close(server));

type Way = 'literal' | 'env' | 'file' | 'set';

function secretOf(way: Way, where: string): unknown {
  if (way === 'env') return { env: 'GRAFT_TEST_KEY' };
  return way === 'file' ? { file: 'secret.txt' } : `canary-literal-${where}`;
}

/** A config with secrets in every place, and what `--set` gives where that is the way. */
function config(name: string, way: Way, { fail = '', mlflow = true } = {}): string[] {
  const keys = (where: string): object => ({
    key: secretOf(way, `${where}-key`),
    headers: { 'X-Key': secretOf(way, `${where}-header`) },
    logins: ['none', { user: 'ann', pass: secretOf(way, `${where}-pass`) }],
    address: `https://canary-user:canary-pass@example.org/${where}?sig=canary-signature`,
    fail: fail === where,
  });
  const side = { layers: 1, hidden: 16, feedForward: 32, heads: 2 };
  const text = { use: 'text', files: ['text.txt'], tokenizer: 'bytes', lengthTokens: 32 };
  const uri = `http://127.0.0.1:${server.port}`;
  const trackers = [
    { use: 'post', ...keys('tracker') },
    ...(mlflow
      ? [
          { use: 'mlflow', trackingUri: uri, token: secretOf(way, 'mlflow-token'), flushSeconds: 0.1 },
          { use: 'mlflow', trackingUri: uri.replace('://', '://canary-user:canary-pass@'), experiment: 'second' },
          { use: 'mlflow', trackingUri: uri, experiment: 'third' },
          {
            use: 'mlflow',
            trackingUri: uri,
            experiment: 'fourth',
            username: secretOf(way, 'user'),
            password: secretOf(way, 'pass'),
          },
        ]
      : []),
  ];
  const sections = {
    dataset: { use: 'sealed', ...keys('dataset'), inner: text },
    evaluators: [
      { use: 'ask', name: 'asked', every: 3, ...keys('evaluator') },
      { use: 'loss', every: 3, batches: 1, dataset: { use: 'sealed', ...keys('held-out'), inner: text } },
    ],
    trackers,
  };
  const whole = {
    name,
    plugins: ['./careless.ts'],
    model: { vocabularySize: 260, encoder: side, decoder: side },
    initializer: 'scratch',
    objective: { use: 'prefix-lm', padToMultipleOf: 8 },
    optimizer: { use: 'adamw', learningRate: 0.002 },
    train: { steps: 3, batchSize: 2, checkpointEvery: 1 },
    engine: 'portable',
  };
  if (way !== 'set') {
    write(join(folder, `${name}.yaml`), JSON.stringify({ ...whole, ...sections }));
    return [`${name}.yaml`];
  }
  write(join(folder, `${name}.yaml`), JSON.stringify(whole));
  return [
    `${name}.yaml`,
    ...Object.entries(sections).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]),
  ];
}

/** Files under a folder, of which no links are followed. */
function filesIn(path: string, since = 0): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const at = join(path, entry.name);
    if (entry.isDirectory()) return /venv/.test(entry.name) ? [] : filesIn(at, since);
    return entry.isFile() && statSync(at).mtimeMs >= since ? [at] : [];
  });
}

const CANARY = /canary|Y2FuYXJ5|NhbmFyeS|jYW5hcn/i;

/** Everything that the runs left: files, what they printed, what a server got but for its Authorization header. */
function expectNoCanary(...outcomes: Outcome[]): void {
  for (const { stdout, stderr } of outcomes) expect(stdout + stderr).not.toMatch(CANARY);
  const files = [
    ...filesIn(join(folder, 'runs')),
    ...filesIn(join(folder, 'out')),
    ...filesIn(temporary),
    ...filesIn(cacheFolder(), began),
  ];
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => CANARY.test(readFileSync(file, 'latin1')))).toEqual([]);
  for (const { path, body, headers } of server.calls) {
    const { authorization: _, ...others } = headers;
    expect(JSON.stringify([path, body, others])).not.toMatch(CANARY);
  }
}

const command = (...args: string[]): Promise<Outcome> => shared.graft(args, folder, environment);
const run = (...args: string[]): Promise<Outcome> => command('run', ...args);

test.each<Way>(['literal', 'env', 'file', 'set'])(
  'secrets given by %s appear in nothing that a run, its resume, its evaluation and its report leave',
  async (way) => {
    const args = config(`by-${way}`, way);
    server.calls.splice(0);
    const inProcess = way === 'literal' ? (...all: string[]) => graft(all, folder, environment) : command;
    const first = await inProcess('run', ...args);
    expect([first.status, first.status === 0 ? '' : first.stderr]).toEqual([0, '']);
    const resumed = await inProcess('run', ...args, '--resume', '--set', 'train.steps=5');
    expect(resumed).toMatchObject({ status: 0 });
    const evaluated = await inProcess('evaluate', ...args);
    expect(evaluated).toMatchObject({ status: 0 });
    const report = await inProcess('report', runFolderOf(resumed), runFolderOf(evaluated), '--out', `out/${way}.html`);
    expect(report).toMatchObject({ status: 0 });
    // The careless plugin did say something, and the servers got what is theirs.
    expect(first.stderr).toMatch(
      /The keys are \*\*\* and \*\*\* and \*\*\* for https:\/\/\*\*\*@example\.org\/tracker\?sig=\*\*\*/,
    );
    expect(first.stderr).toMatch(/Tracker "post" failed \(The end: \*\*\* and/);
    const sent = new Set(server.calls.map(({ headers }) => headers.authorization));
    expect(sent.size).toBe(4);
    expect([...sent].every((header) => /^(Bearer canary|Basic Y2FuYXJ5)/.test(header!))).toBe(true);
    expect(first.stderr.match(/written out in the config/g) ?? []).toHaveLength(
      way === 'literal' || way === 'set' ? 1 : 0,
    );
    const kept = readJson<{ trackers: Record<string, unknown>[] }>(join(runFolderOf(first), 'config.json')).trackers[1];
    expect(kept.token).toEqual(
      { literal: '***', set: '***', env: { env: 'GRAFT_TEST_KEY' }, file: { file: join(folder, 'secret.txt') } }[way],
    );
    const outcomes = [first, resumed, evaluated, report];
    // From somewhere else than before: the same run still.
    if (way === 'literal')
      outcomes.push(await run(...config('by-literal', 'env'), '--resume', '--set', 'train.steps=6'));
    expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => 0));
    expectNoCanary(...outcomes);
  },
);

test.each(['tracker', 'evaluator', 'dataset', 'held-out'])(
  'errors of a %s that contain its secrets are printed without them, with --debug too',
  async (fail) => {
    const args = config(`failing-${fail}`, 'literal', { fail, mlflow: false });
    const outcomes = [await run(...args, '--debug'), await command('evaluate', ...args, '--debug')];
    expect(outcomes.map(({ stderr }) => stderr).join('\n')).toMatch(
      /No answer with \*\*\* and \*\*\* and \*\*\* for https:\/\/\*\*\*@/,
    );
    const folders = filesIn(join(folder, 'runs', `failing-${fail}`)).filter((file) => file.endsWith('run.json'));
    const runs = folders.map((file) => join(file, '..'));
    if (runs.length > 0) outcomes.push(await command('report', ...runs, '--out', `out/${fail}.html`));
    expectNoCanary(...outcomes);
  },
);

test('errors about a config do not show its secrets', async () => {
  const [file] = config('wrong', 'literal', { mlflow: false });
  const whole = readJson<Record<string, never>>(join(folder, file));
  const variants = {
    shape: { ...whole, trackers: whole.trackers[0] },
    id: { ...whole, trackers: [{ ...(whole.trackers[0] as object), use: 'pots' }] },
    type: { ...whole, trackers: [{ ...(whole.trackers[0] as object), key: ['canary-in-a-list'] }] },
    extra: { ...whole, trackers: [{ ...(whole.trackers[0] as object), fail: 'canary', kee: 'canary-misspelt' }] },
    address: {
      ...whole,
      trackers: [{ use: 'mlflow', trackingUri: 'canary-user:canary/pass@example.org', token: 'canary-token' }],
    },
    broken: { ...whole, trackers: [{ use: 'mlflow', trackingUri: 'https://canary-user:canary/pass@example.org' }] },
    missing: {
      ...whole,
      trackers: [{ use: 'mlflow', trackingUri: 'http://127.0.0.1:9', token: { env: 'GRAFT_TEST_NOT_SET' } }],
    },
  };
  const outcomes: Outcome[] = [];
  for (const [name, variant] of Object.entries(variants)) {
    write(join(folder, `wrong-${name}.json`), JSON.stringify(variant));
    outcomes.push(await run(`wrong-${name}.json`, '--debug'));
  }
  write(join(folder, 'wrong.yaml'), 'trackers:\n  - { use: mlflow, token: !canary-tag x }\n');
  outcomes.push(await run('wrong.yaml', '--debug'));
  write(join(folder, 'wrong.json'), '{"trackers": [{"token": "canary-token" "x": 1}]}');
  outcomes.push(await run('wrong.json', '--debug'));
  for (const override of ['trackers.9.token=canary', 'trackers.0.token=a: canary: b', 'trackers.0.token=*canary'])
    outcomes.push(await run(file, '--set', override, '--debug'));
  expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => 2));
  expect(outcomes[6].stderr).toMatch(
    /tracker "mlflow\/mlflow": token: the environment variable GRAFT_TEST_NOT_SET is not set\./,
  );
  // One of them is the value of an option that is not secret, which errors quote.
  const quoted = outcomes.map(({ stdout, stderr }) => ({
    status: 2,
    stdout,
    stderr: stderr.replace(/got "canary"/g, ''),
  }));
  expectNoCanary(...quoted);
});

test('workers that train together do not send each other secrets', async () => {
  const outcome = await graft(['run', ...config('workers', 'set'), '--local-workers', '2'], folder, environment);
  expect(outcome).toMatchObject({ status: 0 });
  expectNoCanary(outcome);
});

test('--help and the list of components contain no secrets', async () => {
  const outcomes = [await command('run', '--help'), await command('plugins', '--json', '--plugin', './careless.ts')];
  expect(outcomes.map(({ status }) => status)).toEqual([0, 0]);
  expectNoCanary(...outcomes);
});
