import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { watchReport } from '..';

let runs: string;
const ending: (() => Promise<void>)[] = [];
beforeEach(() => void (runs = join(temporaryFolder(), 'runs', 'small')));
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

function writeRun(id: string, evaluations: object[] = []): string {
  const folder = join(runs, id);
  mkdirSync(folder, { recursive: true });
  const record = { name: 'small', id, status: 'running', createdAt: '', updatedAt: '', steps: 1 };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
  writeFileSync(join(folder, 'config.json'), '{}');
  writeFileSync(join(folder, 'evaluations.json'), JSON.stringify(evaluations));
  writeFileSync(join(folder, 'metrics.jsonl'), '{"step":1,"loss":3}\n');
  return folder;
}

/** Serves until the test ends; the address and the sentences on unreadable runs. */
async function watch(folders: string[], port?: number): Promise<{ address: URL; problems: string[] }> {
  const controller = new AbortController();
  const problems: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    const done = watchReport(folders, {
      signal: controller.signal,
      port,
      everySeconds: 0.02,
      onReady: resolve,
      onProblem: (sentence) => problems.push(sentence),
    });
    done.catch(reject);
    ending.push(async () => {
      controller.abort();
      await done.catch(() => undefined);
    });
  });
  return { address: new URL(address), problems };
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

function ask(
  url: URL,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(new URL(path, url), options, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => (text += piece.toString()));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    })
      .on('error', reject)
      .end();
  });
}

/** Resolves with each event that the page would get, one by one. */
async function follow(url: URL): Promise<() => Promise<void>> {
  const waiting: (() => void)[] = [];
  let events = 0;
  const stream = request(new URL('events', url), (response) => {
    response.on('error', () => undefined);
    response.on('data', (piece: Buffer) => {
      events += piece.toString().split('event: changed').length - 1;
      while (events > 0 && waiting.length > 0) {
        events--;
        waiting.shift()!();
      }
    });
  });
  stream.on('error', () => undefined).end();
  return () =>
    new Promise((resolve) => {
      if (events > 0) {
        events--;
        resolve();
      } else waiting.push(resolve);
    });
}

const drawn = async (url: URL): Promise<unknown[]> => {
  const { charts } = JSON.parse((await ask(url, 'update')).text) as { charts: { lines: { values: unknown[] }[] }[] };
  return charts.flatMap(({ lines }) => lines.map(({ values }) => values));
};

test('the server announces a step, and its update contains it', async () => {
  const run = writeRun('one');
  const { address } = await watch([run]);
  expect((await ask(address, '/')).text).toContain('Served by graft report --watch');
  const next = await follow(address);
  await next();
  expect(await drawn(address)).toEqual([[3]]);
  appendFileSync(join(run, 'metrics.jsonl'), '{"step":2,"loss":2}\n');
  await next();
  expect(await drawn(address)).toEqual([[3, 2]]);
});

test('the folder of a name leads to the run that has become its latest', async () => {
  writeRun('one');
  symlinkSync('one', join(runs, 'latest'));
  const { address } = await watch([runs]);
  const next = await follow(address);
  await next();
  writeRun('two');
  rmSync(join(runs, 'latest'));
  symlinkSync('two', join(runs, 'latest'));
  for (;;) {
    const { heading } = JSON.parse((await ask(address, 'update')).text) as { heading: string };
    if (heading === 'small/two') break;
    await next();
  }
});

test('a run that can no longer be read keeps what is known of it and is named', async () => {
  const run = writeRun('one');
  const { address, problems } = await watch([run]);
  const next = await follow(address);
  await next();
  writeFileSync(join(run, 'evaluations.json'), '{');
  await next();
  const { text } = await ask(address, 'update');
  expect(text).toContain('Left out: ');
  expect(await drawn(address)).toEqual([[3]]);
  expect(problems).toEqual([expect.stringContaining('evaluations.json does not hold JSON')]);
});

test('requests for another host, from another origin, by other methods and of other paths are refused', async () => {
  const { address } = await watch([writeRun('one')]);
  const statusOf = async (...args: Parameters<typeof ask>): Promise<number> => (await ask(...args)).status;
  expect(await statusOf(address, '/', { headers: { host: 'evil.example' } })).toBe(403);
  expect(await statusOf(address, '/update', { headers: { host: `evil.example:${address.port}` } })).toBe(403);
  expect(await statusOf(address, '/events', { headers: { host: `127.0.0.1:1` } })).toBe(403);
  expect(await statusOf(address, '/update', { headers: { origin: 'http://evil.example' } })).toBe(403);
  expect(await statusOf(address, '/', { headers: { host: `localhost:${address.port}` } })).toBe(200);
  expect(await statusOf(address, '/update', { headers: { origin: address.origin } })).toBe(200);
  expect(await statusOf(address, '/', { method: 'POST' })).toBe(405);
  expect(await statusOf(address, '/../../etc/passwd')).toBe(404);
  expect(await statusOf(address, '/run.json')).toBe(404);
});

test('answers are neither stored, framed nor read by other pages', async () => {
  const { address } = await watch([writeRun('one')]);
  const { headers } = await ask(address, '/');
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-resource-policy': 'same-origin',
  });
  expect(headers['access-control-allow-origin']).toBeUndefined();
});

test('the server listens on the loopback address alone', async () => {
  const { address } = await watch([writeRun('one')]);
  expect(address.hostname).toBe('127.0.0.1');
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  for (const { address: host } of others) {
    const code = await new Promise((resolve) => {
      const socket = connect(Number(address.port), host);
      socket.on('connect', () => resolve('connected'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(code).not.toBe('connected');
  }
});

test('a port that is in use, and a folder that is not a run, are rejected with what to do', async () => {
  const run = writeRun('one');
  const { address } = await watch([run]);
  const signal = new AbortController().signal;
  expect(await failureOf(watchReport([run], { signal, port: Number(address.port) }))).toMatchObject({
    message: `The report cannot be served on port ${address.port} of 127.0.0.1: another program uses it.`,
    code: 'report.port',
    hint: 'Name another port with --port, or leave it out to use any free one.',
  });
  expect(await failureOf(watchReport([temporaryFolder()], { signal }))).toMatchObject({ code: 'report.no-run' });
});

test('the end closes the connections of open pages', async () => {
  const { address } = await watch([writeRun('one')]);
  await (
    await follow(address)
  )();
  await ending.pop()!();
  expect(await failureOf(ask(address, '/'))).toMatchObject({ code: 'ECONNREFUSED' });
});
