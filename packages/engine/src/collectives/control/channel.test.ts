import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { abortReason, failureOf, temporaryFolder } from '@graft/test-support';
import { WorkersError } from '@graft/errors';
import { freeAddresses } from '../ports';
import { controlKey } from '../secret';
import { ControlChannel } from './channel';
import type { ControlOptions } from './messages';

const VERSIONS = { Graft: '1', TensorFlow: '2' };
const KEY = controlKey('the secret of the tests');
let workers: string[];
let open: ControlChannel[];

beforeEach(async () => {
  workers = await freeAddresses(3);
  open = [];
});
afterEach(() => Promise.all(open.map((channel) => channel.close({ command: 'leave' }))));

function start(rank: number, options: Partial<ControlOptions> = {}): ControlChannel {
  const channel = new ControlChannel({
    workers,
    rank,
    versions: VERSIONS,
    key: KEY,
    dataPort: 100 + rank,
    timeoutMs: 20_000,
    ...options,
  });
  open.push(channel);
  return channel;
}

const all = (options?: Partial<ControlOptions>): ControlChannel[] => workers.map((_, rank) => start(rank, options));

const lost = (channel: ControlChannel): Promise<WorkersError> => abortReason(channel.lost);

test('workers join in any order, learn all ports, and exchange values in rank order', async () => {
  const late = start(2);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const channels = [start(0), start(1), late];
  for (const { joined } of channels) expect(await joined).toEqual([100, 101, 102]);
  for (let round = 0; round < 3; round++) {
    const values = await Promise.all(channels.map((channel, rank) => channel.exchange({ rank, round })));
    for (const seen of values) expect(seen).toEqual([0, 1, 2].map((rank) => ({ rank, round })));
  }
});

test('every worker reports a missing worker with its address', async () => {
  const channels = [start(0, { timeoutMs: 300 }), start(1, { timeoutMs: 300 })];
  for (const { joined } of channels) {
    const error = await failureOf<WorkersError>(joined);
    expect(error).toBeInstanceOf(WorkersError);
    expect(error.message).toBe(`Worker 2 (${workers[2]}) did not come within 0.3 s.`);
  }
});

test('a worker that stops with an error passes its reason to the others and ends their waits', async () => {
  const channels = all();
  await Promise.all(channels.map(({ joined }) => joined));
  const waiting = failureOf<WorkersError>(channels[2].exchange(1));
  await channels[1].close({ command: 'fail', reason: 'No disk.' });
  const sentence = `Worker 1 (${workers[1]}) stopped with an error: No disk.`;
  expect((await waiting).message).toBe(sentence);
  expect((await lost(channels[0])).message).toBe(sentence);
  expect((await failureOf<WorkersError>(channels[0].exchange(1))).message).toBe(sentence);
});

test('an error of worker 0 reaches the other workers', async () => {
  const channels = all();
  await Promise.all(channels.map(({ joined }) => joined));
  await channels[0].close({ command: 'fail', reason: 'No disk.' });
  for (const other of channels.slice(1))
    expect((await lost(other)).message).toBe(`Worker 0 (${workers[0]}) stopped with an error: No disk.`);
});

test('a worker that sends no heartbeats is given up by all others', async () => {
  const quick = { heartbeatMs: 40, silenceMs: 400 };
  // Worker 2 says nothing of itself.
  const channels = [start(0, quick), start(1, quick), start(2, { heartbeatMs: 60_000 })];
  await Promise.all(channels.map(({ joined }) => joined));
  for (const channel of channels.slice(0, 2))
    expect((await lost(channel)).message).toMatch(`Worker 2 (${workers[2]}) was lost: nothing was heard from it`);
});

test('a worker that leaves causes an error only in a later exchange', async () => {
  const channels = all();
  await Promise.all(channels.map(({ joined }) => joined));
  await channels[1].close({ command: 'leave' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(channels.map((channel) => channel.lost.aborted)).toEqual([false, false, false]);
  expect((await failureOf<WorkersError>(channels[2].exchange(1))).message).toBe(
    `Worker 1 (${workers[1]}) has ended before the others.`,
  );
});

test('a worker with another version is rejected with the difference', async () => {
  const coordinator = start(0);
  const other = start(1, { versions: { ...VERSIONS, TensorFlow: '3' } });
  const sentence = `Worker 1 (${workers[1]}) runs TensorFlow 3, worker 0 runs 2.`;
  expect((await failureOf<WorkersError>(other.joined)).message).toBe(sentence);
  expect((await failureOf<WorkersError>(coordinator.joined)).message).toBe(sentence);
});

test('a worker with another list of workers is rejected with both lists', async () => {
  const coordinator = start(0);
  const other = start(1, { workers: workers.slice(0, 2) });
  expect((await failureOf<WorkersError>(other.joined)).message).toMatch(
    /^Worker 1 has another list of workers: \[.*worker 0 has \[/,
  );
  await failureOf<WorkersError>(coordinator.joined);
});

test('a duplicate rank fails only its second owner', async () => {
  const [coordinator, first] = [start(0), start(1)];
  await new Promise((resolve) => setTimeout(resolve, 100));
  const second = start(1);
  expect((await failureOf<WorkersError>(second.joined)).message).toMatch(/is there already/);
  const last = start(2);
  await Promise.all([coordinator.joined, first.joined, last.joined]);
});

test('a port in use is reported with its number', async () => {
  const port = Number(workers[0].split(':')[1]);
  const other = await new Promise<Server>((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
  });
  const error = await failureOf<WorkersError>(start(0).joined);
  other.close();
  expect(error.code).toBe('workers.port-in-use');
  expect(error.message).toContain(`port ${port} is in use`);
});

describe('a control thread that dies', () => {
  const thread = (code: string): string => {
    const file = join(temporaryFolder(), 'thread.js');
    writeFileSync(file, code);
    return file;
  };
  const channelOver = (code: string): ControlChannel => {
    const options = { workers, rank: 0, versions: VERSIONS, key: KEY, dataPort: 100, timeoutMs: 20_000 };
    const channel = new ControlChannel(options, thread(code));
    open.push(channel);
    return channel;
  };
  const joined =
    "const { parentPort: port } = require('node:worker_threads');\nport.postMessage({ event: 'joined', dataPorts: [1, 2, 3] });\n";

  test.each([
    ['at its start', 'process.exit(0)', 'ended with status 0.'],
    ['of an error', "setTimeout(() => { throw new Error('No memory for it.'); }, 20)", 'failed: No memory for it.'],
  ])('a control thread that dies %s ends the wait for the others', async (_, code, problem) => {
    const channel = channelOver(code);
    const error = await failureOf<WorkersError>(channel.joined);
    expect(error).toMatchObject({ name: 'WorkersError', code: 'workers.thread', exitCode: 1 });
    expect(error.message).toBe(`The thread that watches over the workers ${problem}`);
    // To leave it is not to wait for it.
    await channel.close({ command: 'leave' });
  });

  test.each([
    ['between exchanges', "setTimeout(() => process.exit(0), 20); port.on('message', () => undefined);", 0],
    ['in an exchange', "port.on('message', () => process.exit(5));", 5],
  ])('a control thread that dies %s fails pending and later exchanges', async (_, code, status) => {
    const channel = channelOver(joined + code);
    await channel.joined;
    const sentence = `The thread that watches over the workers ended with status ${status}.`;
    if (status === 0) await lost(channel);
    for (let times = 0; times < 2; times++)
      expect((await failureOf<WorkersError>(channel.exchange(1))).message).toBe(sentence);
    expect(() => channel.check()).toThrow(sentence);
    await channel.close({ command: 'fail', reason: 'x' });
  });

  test('a control thread that dies during the leave does not block the program', async () => {
    const channel = channelOver(`${joined}port.on('message', () => process.exit(0));`);
    await channel.joined;
    await channel.close({ command: 'leave' });
    expect(channel.lost.aborted).toBe(false);
  });
});
