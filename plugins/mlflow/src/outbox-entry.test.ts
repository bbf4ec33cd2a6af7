import { silentLogger } from '@graft/core';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { close, listen, type FakeMlflow } from '../test-support/fake-mlflow';
import { outboxFile } from './outbox';
import { MlflowTracker } from './tracker';

const addressOf = ({ port }: FakeMlflow): string => `http://127.0.0.1:${port}`;

async function runOnce(
  fake: FakeMlflow,
  folder: string,
  {
    id = 'own',
    metrics = {} as Record<string, number>,
    config = {} as Record<string, string>,
    trackingUri = addressOf(fake),
    finishSeconds = 5,
  } = {},
): Promise<string[]> {
  const warnings: string[] = [];
  const options = { trackingUri, flushSeconds: 60, timeoutSeconds: 1, finishSeconds };
  const sender = new MlflowTracker(options, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
  mkdirSync(join(folder, id), { recursive: true });
  await sender.start({ name: 'trial', id, folder: join(folder, id), config });
  sender.log(1, metrics);
  await sender.finish('finished');
  return warnings;
}

/** Leaves a record in a run's folder. */
function leave(folder: string, id: string, fake: FakeMlflow, changes: object | string = {}): string {
  mkdirSync(join(folder, id), { recursive: true });
  const record = {
    version: 1,
    server: addressOf(fake),
    experiment: 'trial',
    runName: id,
    startTime: 1,
    parameters: [],
    metrics: [{ key: `of ${id}`, value: 5, timestamp: 1, step: 1 }],
    end: { status: 'KILLED', time: 2 },
  };
  const file = join(folder, id, outboxFile(addressOf(fake)));
  writeFileSync(file, typeof changes === 'string' ? changes : JSON.stringify({ ...record, ...changes }));
  return file;
}

const keysSent = ({ calls }: FakeMlflow): string[] =>
  calls.flatMap(({ body }) => ((body.metrics ?? []) as { key: string }[]).map(({ key }) => key)).sort();

const INVALID = { error_code: 'INVALID_PARAMETER_VALUE', message: 'Invalid value.' };

test('an outbox file is sent only to the server that it names', async () => {
  const [ours, theirs] = [await listen(), await listen()];
  const folder = temporaryFolder();
  const file = leave(folder, 'left', theirs);
  // Under the name of our file, but with another server inside: the address in the record counts.
  writeFileSync(join(folder, 'left', outboxFile(addressOf(ours))), readFileSync(file));
  expect(await runOnce(ours, folder, { metrics: { loss: 1 } })).toEqual([]);
  expect(keysSent(ours)).toEqual(['loss']);
  expect(existsSync(file)).toBe(true);
  expect(await runOnce(theirs, folder, { id: 'next' })).toEqual([]);
  expect(keysSent(theirs)).toEqual(['of left']);
  expect(existsSync(file)).toBe(false);
  await close(ours);
  await close(theirs);
});

test('a run whose tracker names another server keeps the outbox file for the first one', async () => {
  const [first, second] = [await listen(), await listen()];
  const folder = temporaryFolder();
  await close(first);
  const warnings = await runOnce(first, folder, {
    metrics: { loss: 1 },
    trackingUri: `http://ann:pass-canary@127.0.0.1:${first.port}//`,
    finishSeconds: 1,
  });
  expect(warnings.join()).not.toContain('canary');
  const file = join(folder, 'own', outboxFile(addressOf(first)));
  const text = readFileSync(file, 'utf8');
  expect(JSON.parse(text)).toMatchObject({ server: addressOf(first) });
  expect(text).not.toContain('canary');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  second.before = async () => 503;
  await runOnce(second, folder, { metrics: { loss: 2 }, finishSeconds: 1 });
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect(existsSync(join(folder, 'own', outboxFile(addressOf(second))))).toBe(true);
  await close(second);
});

test("an outbox file without an address is sent if its run's config names this server alone", async () => {
  const [ours, theirs] = [await listen(), await listen()];
  const folder = temporaryFolder();
  for (const [id, servers] of [
    ['ours', [`${addressOf(ours)}/`]],
    ['theirs', [addressOf(theirs)]],
    ['both', [addressOf(ours), addressOf(theirs)]],
    ['unknown', []],
  ] as const) {
    const file = leave(folder, id, ours, { server: undefined, version: undefined });
    writeFileSync(join(folder, id, 'mlflow-outbox.json'), readFileSync(file));
    writeFileSync(file, 'not for this test');
    const trackers = servers.map((trackingUri) => ({ use: 'mlflow', trackingUri }));
    if (servers.length > 0) writeFileSync(join(folder, id, 'config.json'), JSON.stringify({ trackers }));
  }
  await runOnce(ours, folder);
  await runOnce(ours, folder, { id: 'again' });
  expect(keysSent(ours)).toEqual(['of ours']);
  for (const id of ['theirs', 'both', 'unknown']) expect(existsSync(join(folder, id, 'mlflow-outbox.json'))).toBe(true);
  await close(ours);
  await close(theirs);
});

test('unreadable outbox files are set aside, each with a warning, and the others are sent', async () => {
  const fake = await listen();
  const folder = temporaryFolder();
  const whole = readFileSync(leave(folder, 'a-whole', fake), 'utf8');
  leave(folder, 'b-cut', fake, whole.slice(0, -20));
  leave(folder, 'c-version', fake, { version: 2 });
  leave(folder, 'd-shape', fake, { metrics: [{ key: 'loss' }] });
  leave(folder, 'e-more', fake, 'null');
  leave(folder, 'f-more', fake, '\u0000');
  leave(folder, 'g-whole', fake);
  const warnings = await runOnce(fake, folder);
  const named = (why: string, id: string): unknown =>
    expect.stringMatching(
      new RegExp(
        `was not sent a record of an earlier run, because it cannot be read \\(${why}\\); it is kept in .*/${id}/mlflow-outbox-[0-9a-f]{8}\\.unreadable\\.json\\.$`,
      ),
    );
  expect(warnings).toEqual([
    named('it is not JSON', 'b-cut'),
    named('version is not as Graft writes it', 'c-version'),
    named('metrics.0.value is not as Graft writes it', 'd-shape'),
    expect.stringMatching(/has more such records/),
  ]);
  expect(keysSent(fake)).toEqual(['of a-whole', 'of g-whole']);
  expect(readdirSync(join(folder, 'b-cut'))).toEqual([expect.stringMatching(/\.unreadable\.json$/)]);
  // Once set aside they cause no more warnings.
  expect(await runOnce(fake, folder, { id: 'next' })).toEqual([]);
  await close(fake);
});

test('a refused outbox file is set aside, one that fails for now is kept, and the others are sent', async () => {
  const fake = await listen();
  const folder = temporaryFolder();
  for (const id of ['a-refused', 'b-broken', 'c-whole']) leave(folder, id, fake);
  fake.before = async ({ path, body }) => {
    if (path !== '/runs/create') return undefined;
    if (body.run_name === 'a-refused') return { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'It is deleted.' };
    return body.run_name === 'b-broken' ? 500 : undefined;
  };
  const warnings = await runOnce(fake, folder);
  expect(warnings).toEqual([
    expect.stringMatching(
      /refused a record of an earlier run \(400 It is deleted\.\); it is kept in .*a-refused.*\.refused\.json\.$/,
    ),
    expect.stringMatching(/500 No\.\. The run continues/),
  ]);
  expect(keysSent(fake)).toEqual(['of c-whole']);
  expect(readdirSync(join(folder, 'b-broken'))).toEqual([outboxFile(addressOf(fake))]);
  await close(fake);
});

test('a value that the server refuses does not lose the rest of its batch', async () => {
  const fake = await listen();
  const folder = temporaryFolder();
  const isBad = ({ key }: { key: string }): boolean => key.startsWith('bad');
  fake.before = async ({ body }) => {
    const values = (body.metrics ?? body.params ?? []) as { key: string }[];
    return values.some(isBad) ? INVALID : undefined;
  };
  const named = (count: number): Record<string, number> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [i % 50 === 7 ? `bad${i}` : `good${i}`, i]));
  const config = Object.fromEntries(Object.entries(named(120)).map(([key, value]) => [key, String(value)]));
  const warnings = await runOnce(fake, folder, { metrics: named(300), config });
  const taken = fake.calls.flatMap(({ body }) => {
    const values = (body.metrics ?? body.params ?? []) as { key: string }[];
    return values.some(isBad) ? [] : values;
  });
  expect(taken).toHaveLength(117 + 294);
  expect(new Set(taken.map(({ key }) => key)).size).toBe(294);
  expect(warnings).toEqual([
    expect.stringMatching(
      /refuses 9 values, the first of them "bad7" \(400 Invalid value\.\); they are kept in .*\.refused\.json\.$/,
    ),
  ]);
  await close(fake);
});

test('a server that refuses everything gets few requests, and the outbox file is kept', async () => {
  const fake = await listen();
  const folder = temporaryFolder();
  fake.before = async ({ path }) => (path === '/runs/log-batch' ? INVALID : undefined);
  const metrics = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`metric${i}`, i]));
  const warnings = await runOnce(fake, folder, { metrics });
  expect(warnings).toEqual([
    expect.stringMatching(/400 Invalid value/),
    expect.stringMatching(/refuses a part; what is left waits/),
  ]);
  expect(fake.calls.length).toBeLessThan(150);
  const record = JSON.parse(readFileSync(join(folder, 'own', outboxFile(addressOf(fake))), 'utf8')) as {
    metrics: object[];
  };
  expect(record.metrics).toHaveLength(900);
  await close(fake);
});
