import { Secret, silentLogger, type RunEnvironment, type TrackedRun } from '@graft/core';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { close, listen, type Call, type FakeMlflow } from '../test-support/fake-mlflow';
import { proxyPath } from './artifacts';
import { MlflowTracker } from './tracker';

const ENVIRONMENT: RunEnvironment = {
  startedAt: '2026-01-01T00:00:00.000Z',
  command: 'graft run a.yaml',
  workingFolder: '/home/ann/a',
  user: 'ann',
  git: { commit: 'c'.repeat(40), branch: 'trunk', dirty: true },
  host: { name: 'big', system: 'Linux 6.1 x64', cpu: 'Fast', cores: 8, memoryBytes: 2 ** 34, node: '24.1.0' },
};

function tracker({ port }: FakeMlflow, warnings: string[] = []): MlflowTracker {
  const times = { flushSeconds: 0.05, timeoutSeconds: 2, finishSeconds: 1 };
  const options = {
    trackingUri: `http://127.0.0.1:${port}`,
    experiment: undefined,
    token: new Secret('secret'),
    ...times,
  };
  return new MlflowTracker(options, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
}

function run(runs = temporaryFolder(), id = 'one'): TrackedRun {
  const folder = join(runs, id);
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), '{"seed": 0}');
  writeFileSync(join(folder, 'evaluations.json'), '[]');
  const facts = { environment: ENVIRONMENT, parameterCount: 12, report: async () => '<html>é</html>' };
  return { name: 'trial', id, folder, config: { seed: 0 }, ...facts };
}

const puts = ({ calls }: FakeMlflow): Call[] =>
  calls.filter(({ path }) => path.startsWith('/api/2.0/mlflow-artifacts'));
const tagsIn = ({ body }: Call): Record<string, string> =>
  Object.fromEntries((body.tags as { key: string; value: string }[]).map(({ key, value }) => [key, value]));

test('the server gets name, user, command, commit, host and parameter count of a run', async () => {
  const fake = await listen();
  const sender = tracker(fake);
  await sender.start(run());
  await sender.finish('finished');
  await close(fake);
  const created = fake.calls.find(({ path }) => path === '/runs/create')!;
  expect(created.body.run_name).toBe('trial');
  expect(tagsIn(created)).toMatchObject({
    'graft.runId': 'one',
    'mlflow.user': 'ann',
    'mlflow.source.name': 'graft run a.yaml',
    'mlflow.source.git.commit': 'c'.repeat(40),
    'graft.git.dirty': 'true',
    'graft.host.cpu': 'Fast',
    'graft.host.cores': '8',
    'graft.host.memoryBytes': String(2 ** 34),
  });
  const parameters = fake.calls.flatMap(({ body }) => (body.params as object[] | undefined) ?? []);
  expect(parameters).toContainEqual({ key: 'parameterCount', value: '12' });
});

test('config, evaluations and report become artifacts at the end, with the credentials', async () => {
  const fake = await listen();
  const warnings: string[] = [];
  const info = run();
  const sender = tracker(fake, warnings);
  await sender.start(info);
  expect(puts(fake)).toEqual([]);
  await sender.finish('finished');
  await close(fake);
  const root = '/api/2.0/mlflow-artifacts/artifacts/7/r1/artifacts';
  // All at once: which of them arrives first is not defined.
  const sent = puts(fake).map(({ path, body, headers }) => [path, body.text, headers.authorization]);
  expect(sent.sort()).toEqual([
    [`${root}/config.json`, '{"seed": 0}', 'Bearer secret'],
    [`${root}/evaluations.json`, '[]', 'Bearer secret'],
    [`${root}/report.html`, '<html>é</html>', 'Bearer secret'],
  ]);
  expect(readFileSync(join(info.folder, 'report.html'), 'utf8')).toBe('<html>é</html>');
  expect(warnings).toEqual([]);
});

test.each<[string, (fake: FakeMlflow) => void, string]>([
  ['has no proxy', (fake) => void (fake.artifactUri = 's3://bucket/7/r1'), 'it leaves artifacts to storage'],
  [
    'refuses them',
    (fake) => void (fake.before = async ({ path }) => (path.includes('artifacts/') ? 503 : undefined)),
    '503 No.',
  ],
])('a server that %s is named once, and everything else arrives', async (_, change, reason) => {
  const fake = await listen();
  change(fake);
  const warnings: string[] = [];
  const runs = temporaryFolder();
  const info = run(runs);
  const sender = tracker(fake, warnings);
  await sender.start(info);
  await sender.finish('finished');
  await close(fake);
  expect(warnings).toEqual([expect.stringContaining(`does not accept artifacts: ${reason}`) as string]);
  expect(fake.calls.some(({ body }) => body.status === 'FINISHED')).toBe(true);
  expect(readdirSync(info.folder).filter((name) => name.startsWith('mlflow-outbox'))).toEqual([]);
});

test('artifacts that the server was not there for are sent by the next run', async () => {
  const fake = await listen();
  const runs = temporaryFolder();
  fake.before = async ({ path }) => (path === '/runs/create' ? 500 : undefined);
  const first = tracker(fake);
  await first.start(run(runs, 'a'));
  await first.finish('finished');
  expect(puts(fake)).toEqual([]);
  fake.before = async () => undefined;
  const second = tracker(fake);
  await second.start(run(runs, 'b'));
  await second.finish('finished');
  await close(fake);
  expect(puts(fake)).toHaveLength(6);
});

test('a report that cannot be made costs only the report', async () => {
  const fake = await listen();
  const warnings: string[] = [];
  const sender = tracker(fake, warnings);
  await sender.start({ ...run(), report: () => Promise.reject(new Error('no ink')) });
  await sender.finish('failed');
  await close(fake);
  expect(warnings).toEqual(['MLflow gets no report of this run: no ink.']);
  expect(puts(fake)).toHaveLength(2);
});

test.each<[string, string[] | undefined]>([
  ['mlflow-artifacts:/3/0a1b/artifacts', ['3', '0a1b', 'artifacts']],
  ['mlflow-artifacts://host:5000/3/artifacts', ['3', 'artifacts']],
  ['mlflow-artifacts:/3/../../2.0/mlflow/x', undefined],
  ['file:///tmp/mlruns/3', undefined],
  ['./mlruns/3', undefined],
])('the path in the proxy of %s', (uri, path) => {
  expect(proxyPath(uri)).toEqual(path);
});
