import { silentLogger, type RunInfo } from '@graft/core';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../../../test/support';
import { flatten, MlflowTracker } from './tracker';

interface Call {
  path: string;
  body: Record<string, unknown>;
}

/** A server that speaks the few calls of the protocol and remembers them. */
async function listen(port = 0, delayMs = 0): Promise<{ server: Server; port: number; calls: Call[] }> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const path = request.url!.replace('/api/2.0/mlflow', '').replace(/\?.*/, '');
      calls.push({ path, body: text ? (JSON.parse(text) as Call['body']) : {} });
      const known: Record<string, object> = {
        '/experiments/create': { experiment_id: '7' },
        '/runs/create': { run: { info: { run_id: 'r1' } } },
        '/runs/log-batch': {},
        '/runs/update': {},
      };
      setTimeout(() => {
        response.writeHead(known[path] ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(known[path] ?? { error_code: 'RESOURCE_DOES_NOT_EXIST' }));
      }, delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port, calls };
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

function tracker(port: number): MlflowTracker {
  const options = {
    trackingUri: `http://127.0.0.1:${port}`,
    flushSeconds: 0.05,
    timeoutSeconds: 2,
    finishSeconds: 1,
    experiment: undefined,
    token: undefined,
  };
  return new MlflowTracker(options, silentLogger());
}

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

test('a run arrives: experiment, run, parameters, metrics with steps, end', async () => {
  const { server, port, calls } = await listen();
  const sender = tracker(port);
  await sender.start(run(temporaryFolder()));
  for (let step = 1; step <= 3; step++) sender.log(step, { step, loss: 1 / step, gradNorm: NaN });
  await sender.finish('finished');
  await close(server);
  const paths = calls.map(({ path }) => path);
  expect(paths.slice(0, 3)).toEqual(['/experiments/get-by-name', '/experiments/create', '/runs/create']);
  expect(paths[paths.length - 1]).toBe('/runs/update');
  const metrics = calls.flatMap(
    ({ body }) => (body.metrics as { key: string; step: number; value: number }[] | undefined) ?? [],
  );
  expect(metrics.map(({ key, step, value }) => [key, step, value])).toEqual([
    ['loss', 1, 1],
    ['loss', 2, 0.5],
    ['loss', 3, 1 / 3],
  ]);
  expect(calls.find(({ body }) => body.params)?.body.params).toContainEqual({ key: 'optimizer.use', value: 'adamw' });
  expect(calls[calls.length - 1].body).toMatchObject({ run_id: 'r1', status: 'FINISHED' });
});

test('a server that is down neither stops the run nor loses its metrics: the next run sends them', async () => {
  const { server, port } = await listen();
  await close(server);
  const folder = temporaryFolder();
  const first = tracker(port);
  await first.start(run(folder, 'one'));
  first.log(1, { loss: 5 });
  await first.finish('interrupted');
  const outbox = join(folder, 'one', 'mlflow-outbox.json');
  expect(existsSync(outbox)).toBe(true);

  const again = await listen(port);
  const second = tracker(port);
  await second.start(run(folder, 'two'));
  while (existsSync(outbox)) await new Promise((resolve) => setTimeout(resolve, 20));
  await second.finish('finished');
  await close(again.server);
  const metrics = again.calls.flatMap(({ body }) => (body.metrics as { value: number }[] | undefined) ?? []);
  expect(metrics.map(({ value }) => value)).toEqual([5]);
  expect(
    again.calls
      .filter(({ path }) => path === '/runs/update')
      .map(({ body }) => body.status)
      .sort(),
  ).toEqual(['FINISHED', 'KILLED']);
  expect(existsSync(join(folder, 'two', 'mlflow-outbox.json'))).toBe(false);
});

test('a slow server does not hold up logging', async () => {
  const { server, port, calls } = await listen(0, 300);
  const sender = tracker(port);
  await sender.start(run(temporaryFolder()));
  for (let step = 1; step <= 5000; step++) sender.log(step, { loss: step });
  // Nothing of this waited: the first answers are still out.
  expect(calls.length).toBeLessThanOrEqual(1);
  await sender.finish('finished');
  server.closeAllConnections();
  await close(server);
});
