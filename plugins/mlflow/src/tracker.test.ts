import { Secret, silentLogger, type RunInfo } from '@graft/core';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { close, listen, type FakeMlflow } from '../test-support/fake-mlflow';
import { outboxFile } from './outbox';
import { flatten, MlflowTracker } from './tracker';

function tracker(port: number, { finishSeconds = 1, warnings = [] as string[] } = {}): MlflowTracker {
  const options = {
    trackingUri: `http://127.0.0.1:${port}`,
    flushSeconds: 0.05,
    timeoutSeconds: 2,
    finishSeconds,
    experiment: undefined,
    token: new Secret('secret'),
  };
  return new MlflowTracker(options, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
}

const outboxOf = (port: number): string => outboxFile(`http://127.0.0.1:${port}`);

type Sent = { key: string; step: number; value: number };

/** The metrics of all calls to a fake server, in order. */
const sentTo = ({ calls }: FakeMlflow): [string, number, number][] =>
  calls
    .flatMap(({ body }) => (body.metrics as Sent[] | undefined) ?? [])
    .map(({ key, step, value }) => [key, step, value]);

function run(folder: string, id = 'one'): RunInfo {
  mkdirSync(join(folder, id), { recursive: true });
  return {
    name: 'trial',
    id,
    folder: join(folder, id),
    config: { seed: 0, optimizer: { use: 'adamw', betas: [0.9, 0.95] } },
  };
}

test('a config becomes flat parameters', () => {
  expect(flatten({ seed: 0, optimizer: { use: 'adamw', betas: [0.9, 0.95] }, evaluators: [{ use: 'loss' }] })).toEqual([
    { key: 'seed', value: '0' },
    { key: 'optimizer.use', value: 'adamw' },
    { key: 'optimizer.betas', value: '[0.9,0.95]' },
    { key: 'evaluators.0.use', value: 'loss' },
  ]);
});

test('a value is cut between whole characters, and names that become equal are reported', async () => {
  const fake = await listen();
  const warnings: string[] = [];
  const sender = tracker(fake.port, { warnings });
  const config = { emoji: `${'x'.repeat(499)}😀 and more`, half: 'a\ud83d', 'a(b)': 1, 'a[b]': 2 };
  await sender.start({ ...run(temporaryFolder()), config });
  for (let step = 1; step <= 3; step++) sender.log(step, { 'l(1)': 1, 'l[1]': 2 });
  await sender.finish('finished');
  await close(fake);
  const parameters = fake.calls.flatMap(({ body }) => (body.params as object[] | undefined) ?? []);
  expect(parameters).toEqual([
    { key: 'emoji', value: 'x'.repeat(499) },
    { key: 'half', value: 'a\ufffd' },
    { key: 'a_b_', value: '1' },
  ]);
  expect(sentTo(fake).map(([key, , value]) => [key, value])).toEqual(Array(3).fill(['l_1_', 1]));
  expect(warnings).toEqual([
    'MLflow has the name "a_b_" for the parameters "a(b)" and "a[b]" alike; only the first is sent.',
    'MLflow has the name "l_1_" for the metrics "l(1)" and "l[1]" alike; only the first is sent.',
  ]);
});

test('the server gets experiment, run, parameters, metrics with steps and the end, but not the token in the config', async () => {
  const fake = await listen();
  const sender = tracker(fake.port);
  const info = run(temporaryFolder());
  await sender.start({
    ...info,
    config: { ...(info.config as object), trackers: [{ use: 'mlflow', token: 'secret' }] },
  });
  for (let step = 1; step <= 3; step++) sender.log(step, { step, loss: 1 / step, gradNorm: NaN });
  await sender.finish('finished');
  await close(fake);
  const paths = fake.calls.map(({ path }) => path);
  expect(paths.slice(0, 4)).toEqual([
    '/experiments/get-by-name',
    '/experiments/create',
    '/runs/search',
    '/runs/create',
  ]);
  expect(sentTo(fake)).toEqual([
    ['loss', 1, 1],
    ['loss', 2, 0.5],
    ['loss', 3, 1 / 3],
  ]);
  const parameters = fake.calls.find(({ body }) => body.params)?.body.params;
  expect(parameters).toContainEqual({ key: 'trackers.0.use', value: 'mlflow' });
  expect(JSON.stringify(fake.calls.map(({ body }) => body))).not.toContain('secret');
  expect(fake.calls.map(({ headers }) => headers.authorization)).toEqual(fake.calls.map(() => 'Bearer secret'));
  expect(fake.calls[fake.calls.length - 1]).toMatchObject({
    path: '/runs/update',
    body: { run_id: 'r1', status: 'FINISHED' },
  });
});

test('a server that is down neither stops the run nor loses its metrics: the next run sends them', async () => {
  const down = await listen();
  await close(down);
  const folder = temporaryFolder();
  const warnings: string[] = [];
  const first = tracker(down.port, { warnings });
  await first.start(run(folder, 'one'));
  first.log(1, { loss: 5 });
  await first.finish('interrupted');
  const outbox = join(folder, 'one', outboxOf(down.port));
  expect(existsSync(outbox)).toBe(true);
  expect(statSync(outbox).mode & 0o777).toBe(0o600);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(/ECONNREFUSED.*The run continues/);
  expect(warnings[1]).toContain(outbox);

  const again = await listen(down.port);
  const second = tracker(again.port);
  await second.start(run(folder, 'two'));
  await second.finish('finished');
  await close(again);
  expect(sentTo(again)).toEqual([['loss', 1, 5]]);
  expect(
    again.calls
      .filter(({ path }) => path === '/runs/update')
      .map(({ body }) => body.status)
      .sort(),
  ).toEqual(['FINISHED', 'KILLED']);
  expect(readdirSync(join(folder, 'one'))).toEqual([]);
  expect(readdirSync(join(folder, 'two'))).toEqual([]);
});

test('of two runs that start together, only one sends what an earlier run left', async () => {
  const fake = await listen();
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'left'));
  const letter = {
    server: `http://127.0.0.1:${fake.port}`,
    experiment: 'trial',
    runName: 'left',
    startTime: 1,
    parameters: [],
    end: { status: 'KILLED', time: 2 },
  };
  const metrics = [{ key: 'loss', value: 5, timestamp: 1, step: 1 }];
  writeFileSync(join(folder, 'left', outboxOf(fake.port)), JSON.stringify({ ...letter, metrics }));
  const both = [tracker(fake.port), tracker(fake.port)];
  await Promise.all(both.map((one, i) => one.start(run(folder, String(i)))));
  await Promise.all(both.map((one) => one.finish('finished')));
  await close(fake);
  expect(sentTo(fake)).toEqual([['loss', 1, 5]]);
  expect(fake.calls.filter(({ path }) => path === '/runs/create')).toHaveLength(3);
  expect(readdirSync(join(folder, 'left'))).toEqual([]);
});

test('a resumed run continues the same MLflow run, and sends only what the server lacks', async () => {
  const fake = await listen();
  // The server has three steps and one parameter; the folder has five steps; the run repeats the fifth.
  fake.known.push({
    info: { run_id: 'r9' },
    data: {
      metrics: [{ key: 'loss', value: 3, timestamp: 1, step: 3 }],
      params: [{ key: 'seed', value: '0' }],
    },
  });
  const info = run(temporaryFolder());
  const lines = [1, 2, 3, 4, 5].map((step) => JSON.stringify({ step, loss: step }));
  writeFileSync(join(info.folder, 'metrics.jsonl'), `${lines.join('\n')}\n{"step":6,"lo`);
  const evaluation = { step: 4, evaluator: 'heldOut', metrics: { loss: 0.5 }, seconds: 1 };
  writeFileSync(join(info.folder, 'evaluations.json'), JSON.stringify([evaluation]));
  const sender = tracker(fake.port);
  await sender.start(info);
  for (const step of [5, 6]) sender.log(step, { step, loss: step });
  while (!fake.calls.some(({ path }) => path === '/runs/update')) await new Promise((resolve) => setImmediate(resolve));
  await sender.finish('finished');
  await close(fake);
  expect(sentTo(fake)).toEqual([
    ['loss', 4, 4],
    ['loss', 5, 5],
    ['heldOut/loss', 4, 0.5],
    ['loss', 6, 6],
  ]);
  expect(fake.calls.filter(({ path }) => path === '/runs/create')).toEqual([]);
  expect(fake.calls.filter(({ path }) => path === '/runs/update').map(({ body }) => body.status)).toEqual([
    'RUNNING',
    'FINISHED',
  ]);
  expect(JSON.stringify(fake.calls)).not.toContain('"seed"');
});

test('a resumed run also sends its own outbox, with the original times', async () => {
  const fake = await listen();
  const info = run(temporaryFolder());
  const metrics = [{ key: 'loss', value: 5, timestamp: 11, step: 1 }];
  const server = `http://127.0.0.1:${fake.port}`;
  const letter = { server, experiment: 'trial', runName: 'one', startTime: 7, parameters: [], metrics, runId: 'r1' };
  writeFileSync(
    join(info.folder, outboxOf(fake.port)),
    JSON.stringify({ ...letter, end: { status: 'KILLED', time: 12 } }),
  );
  const sender = tracker(fake.port);
  await sender.start(info);
  sender.log(2, { loss: 6 });
  await sender.finish('finished');
  await close(fake);
  expect(fake.calls.flatMap(({ body }) => body.metrics ?? [])).toMatchObject([metrics[0], { step: 2, value: 6 }]);
  expect(fake.calls.find(({ path }) => path === '/runs/create')?.body).toMatchObject({ start_time: 7 });
  expect(fake.calls.filter(({ path }) => path === '/runs/update')).toHaveLength(1);
  expect(readdirSync(info.folder)).toEqual([]);
});

test('a refusal is reported in the words of the server, and the run does not wait for it', async () => {
  const fake = await listen();
  fake.before = async ({ path }) => (path === '/runs/log-batch' ? 400 : undefined);
  const warnings: string[] = [];
  const sender = tracker(fake.port, { finishSeconds: 25, warnings });
  const info = run(temporaryFolder());
  await sender.start(info);
  sender.log(1, { loss: 5 });
  await sender.finish('finished');
  await close(fake);
  expect(warnings).toEqual([
    expect.stringMatching(/: 400 No\.\. The run continues/),
    expect.stringMatching(/refuses a part; what is left waits in .*mlflow-outbox-[0-9a-f]{8}\.json/),
  ]);
  expect(fake.calls.filter(({ path }) => path === '/runs/log-batch').length).toBeLessThan(5);
});

test('a server that never answers delays the end of a run only to its limit, and loses no metric', async () => {
  const fake = await listen();
  fake.before = () => new Promise(() => undefined);
  const sender = tracker(fake.port, { finishSeconds: 0.1 });
  const info = run(temporaryFolder());
  await sender.start(info);
  for (let step = 1; step <= 5000; step++) sender.log(step, { loss: step });
  // None of this waited: the first response is still pending.
  expect(fake.calls.length).toBeLessThanOrEqual(1);
  await sender.finish('finished');
  await close(fake);
  const letter = JSON.parse(readFileSync(join(info.folder, outboxOf(fake.port)), 'utf8')) as { metrics: Sent[] };
  expect(letter.metrics.map(({ step }) => step)).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
});
