import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { abortReason, failureOf, temporaryFolder } from '@graft/test-support';
import type { WorkersError } from '@graft/errors';
import { freeAddresses, freePort } from '../ports';
import { controlKey } from '../secret';
import { ControlChannel } from './channel';
import { MOST_UNKNOWN_PEERS } from './peer-listener';
import type { ControlOptions } from './messages';
import { clientOptions } from './psk';

const VERSIONS = { Graft: '1.2.3-canary', TensorFlow: '2' };
const KEY = controlKey('the secret of the tests');
const OTHER_KEY = controlKey('the secret of other tests');

let workers: string[];
let port: number;
let channels: ControlChannel[];
let sockets: Socket[];
let servers: Server[];

beforeEach(async () => {
  workers = await freeAddresses(3);
  port = Number(workers[0].split(':')[1]);
  channels = [];
  sockets = [];
  servers = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  await Promise.all(channels.map((channel) => channel.close({ command: 'leave' })));
});

function start(rank: number, options: Partial<ControlOptions> = {}): ControlChannel {
  const channel = new ControlChannel({
    ...{ workers, rank, versions: VERSIONS, key: KEY, dataPort: 100 + rank, timeoutMs: 20_000 },
    ...options,
  });
  channels.push(channel);
  return channel;
}

const lost = (channel: ControlChannel): Promise<WorkersError> => abortReason(channel.lost);

interface PeerConnection {
  readonly socket: Socket;
  /** All that was received, when the connection is closed. */
  readonly closed: Promise<Buffer>;
}

function watchConnection(socket: Socket): PeerConnection {
  sockets.push(socket);
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.on('error', () => undefined);
  const closed = new Promise<Buffer>((resolve) => socket.on('close', () => resolve(Buffer.concat(parts))));
  return { socket, closed };
}

/** An unknown peer that sends this and waits for what comes. */
function unknownPeer(...bytes: (string | Uint8Array)[]): PeerConnection {
  const socket = connect(port, '127.0.0.1', () => {
    for (const part of bytes) socket.write(part);
  });
  return watchConnection(socket);
}

/** Somebody who has the secret, and sends these lines. */
function insider(lines: readonly string[], key = KEY, at = port): PeerConnection & { readonly socket: TLSSocket } {
  const socket = connectTls({ ...clientOptions(key), port: at, host: '127.0.0.1' }, () => {
    for (const line of lines) socket.write(`${line}\n`);
  });
  return { ...watchConnection(socket), socket };
}

const hello = (rank: unknown, more: object = {}): string =>
  JSON.stringify({ t: 'hello', rank, workers, versions: VERSIONS, dataPort: 7, ...more });

const JUNK: readonly [string, () => (string | Uint8Array)[]][] = [
  ['HTTP', () => ['GET / HTTP/1.1\r\nHost: a\r\n\r\n']],
  ['a hello in the clear', () => [`${hello(1)}\n`]],
  ['a hello with another list', () => [`${hello(1, { workers: ['a:1', 'b:2'] })}\n`]],
  ['lines of JSON', () => ['null\n{"t":"value","id":0,"value":1}\n{"t":"fail","reason":"x"}\n[]\n']],
  ['half a line', () => ['{"t":"hello"']],
  ['a MiB without an end', () => [new Uint8Array(1 << 20).fill(0x61)]],
  ['a MiB of TLS records', () => [Uint8Array.from({ length: 1 << 20 }, (_, i) => [22, 3, 3, 64, 0, 1, 0, 255][i % 8])]],
  ['random bytes', () => [Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 7919) >> 3)]],
  ['nothing at all', () => []],
];

describe('a client without the secret', () => {
  /** That a group meets, works and ends in order. */
  async function expectWork(group: readonly ControlChannel[]): Promise<void> {
    for (const { joined } of group) expect(await joined).toEqual([100, 101, 102]);
    for (let round = 0; round < 3; round++)
      for (const values of await Promise.all(group.map((channel, rank) => channel.exchange({ rank, round }))))
        expect(values).toEqual([0, 1, 2].map((rank) => ({ rank, round })));
    expect(group.map((channel) => channel.lost.aborted)).toEqual([false, false, false]);
  }

  it.each(JUNK)(
    'a client without the secret neither disturbs the group nor learns anything by sending %s',
    async (_, bytes) => {
      const options = { handshakeTimeoutMs: 300 };
      const coordinator = start(0, options);
      const before = unknownPeer(...bytes());
      await sleep(20);
      const group = [coordinator, start(1, options), start(2, options)];
      const during = unknownPeer(...bytes());
      await expectWork(group);
      const after = unknownPeer(...bytes());
      await expectWork(group);
      for (const received of await Promise.all([before.closed, during.closed, after.closed])) {
        // An alert of TLS, at most.
        expect(received.length).toBeLessThanOrEqual(64);
        expect(received.toString('latin1')).not.toMatch(/127\.0\.0\.1|canary|hello|rank/);
      }
      await expectWork(group);
    },
  );

  it('a client that sends one byte at a time is disconnected at its deadline', async () => {
    const group = [start(0, { handshakeTimeoutMs: 400 }), start(1), start(2)];
    const slow = unknownPeer();
    const began = performance.now();
    // A TLS record that never ends.
    const bytes = [22, 3, 1, 2, 0, 1, 0, 1, 252];
    const drip = setInterval(() => slow.socket.write(Uint8Array.of(bytes.shift() ?? 0)), 30);
    await slow.closed;
    clearInterval(drip);
    expect(performance.now() - began).toBeGreaterThan(350);
    await expectWork(group);
  });

  it('a TLS client without the key or with another key is rejected', async () => {
    const group = [start(0), start(1), start(2)];
    await expectWork(group);
    const plain = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const other = insider([hello(1)], OTHER_KEY);
    expect((await Promise.all([watchConnection(plain).closed, other.closed])).map(({ length }) => length)).toEqual([
      0, 0,
    ]);
    await expectWork(group);
  });

  it('500 open connections do not keep workers from joining, before or after', async () => {
    const coordinator = start(0, { handshakeTimeoutMs: 2000 });
    const flood = Array.from({ length: 500 }, () => unknownPeer(Uint8Array.of(22, 3, 1)));
    const open = new Set(flood);
    for (const one of flood) void one.closed.then(() => open.delete(one));
    const group = [coordinator, start(1), start(2)];
    await expectWork(group);
    await sleep(300);
    // The oldest have gone.
    expect(open.size).toBeLessThanOrEqual(MOST_UNKNOWN_PEERS);
    const more = Array.from({ length: 500 }, () => unknownPeer('x'));
    await expectWork(group);
    await Promise.all(more.map(({ closed }) => closed));
    await expectWork(group);
  });

  /** Somebody on the path to worker 0: sees, and may change, what is sent there. Gives the port to dial. */
  async function interceptor(onSent: (part: Buffer) => void): Promise<number> {
    const at = await freePort('127.0.0.1');
    servers.push(
      await listening(at, (client) => {
        const upstream = connect(port, '127.0.0.1');
        sockets.push(client, upstream);
        client.on('data', (part: Buffer) => {
          onSent(part);
          upstream.write(part);
        });
        upstream.on('data', (part: Buffer) => client.write(part));
        for (const socket of [client, upstream]) socket.on('error', () => undefined);
        client.on('close', () => upstream.destroy());
        upstream.on('close', () => client.destroy());
      }),
    );
    return at;
  }

  it('a recorded handshake cannot be replayed', async () => {
    const sent: Buffer[] = [];
    const path = await interceptor((part) => sent.push(Buffer.from(part)));
    const first = start(0);
    const group = [insider([hello(1)], KEY, path), insider([hello(2)])];
    expect(await first.joined).toEqual([100, 7, 7]);
    for (const { socket } of group) socket.destroy();
    await lost(first);
    const again = start(0, { timeoutMs: 700 });
    await sleep(50);
    expect(Buffer.concat(sent).length).toBeGreaterThan(400);
    const replay = unknownPeer(...sent);
    const error = await failureOf<WorkersError>(again.joined);
    await replay.closed;
    expect(error.message).toMatch(/^Worker 1 .*, worker 2 .* did not come within 0\.7 s\.$/);
  });

  it('an attacker on the path can break a connection but not change a value', async () => {
    let change = false;
    const path = await interceptor((part) => {
      if (change) part[part.length - 1] ^= 1;
    });
    const coordinator = start(0);
    const worker = insider([hello(1)], KEY, path);
    const other = start(2);
    await Promise.all([coordinator.joined, other.joined]);
    const value = (id: number): string => `${JSON.stringify({ t: 'value', id, value: 'right' })}\n`;
    worker.socket.write(value(0));
    const right = ['right', 'right', 'right'];
    expect(await Promise.all([coordinator, other].map((one) => one.exchange('right')))).toEqual([right, right]);
    change = true;
    worker.socket.write(value(1));
    const errors = await Promise.all([coordinator, other].map((one) => failureOf<WorkersError>(one.exchange('right'))));
    for (const { message } of errors) expect(message).toMatch(/^Worker 1 .* was lost: its process has ended/);
  });
});

function listening(at: number, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer(onSocket).listen(at, '127.0.0.1', () => resolve(server));
  });
}

describe('a worker with another secret', () => {
  it('a worker with another secret is rejected at once, and the timeout error of the group names it', async () => {
    const coordinator = start(0, { timeoutMs: 1000 });
    const wrong = await failureOf<WorkersError>(start(1, { key: OTHER_KEY }).joined);
    expect(wrong).toMatchObject({ code: 'workers.secret', exitCode: 2 });
    expect(wrong.message).toBe(`Worker 0 (${workers[0]}) has another secret than this worker.`);
    const error = await failureOf<WorkersError>(coordinator.joined);
    expect(error.message).toMatch(/^Worker 1 .* did not come within 1 s\.$/);
    expect(error.hint).toMatch(
      /came once with another secret, at last from 127\.0\.0\.1: give every worker the same one/,
    );
  });

  it('a worker with another secret does not keep the right one from joining', async () => {
    const coordinator = start(0);
    await failureOf<WorkersError>(start(1, { key: OTHER_KEY }).joined);
    const group = [coordinator, start(1), start(2)];
    for (const { joined } of group) expect(await joined).toEqual([100, 101, 102]);
  });
});

describe('a server in place of worker 0', () => {
  const expectUnmoved = async (): Promise<void> => {
    const error = await failureOf<WorkersError>(start(1, { timeoutMs: -4000 }).joined);
    expect(error.code).toBe('workers.missing');
    expect(error.message).toContain(`Worker 0 (${workers[0]}) did not come`);
  };

  it.each([
    ['HTTP', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['a welcome in the clear', '{"t":"welcome","dataPorts":[1,2,3]}\n'],
    ['a MiB of something', 'x'.repeat(1 << 20)],
  ])('a server without the key is not trusted: %s', async (_, answer) => {
    const server = await listening(port, (socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.write(answer);
    });
    await expectUnmoved();
    server.close();
  });

  it('a server with a certificate is not trusted, even if a trusted authority signed it', async () => {
    expect(clientOptions(KEY).checkServerIdentity!('localhost', {} as never)).toBeInstanceOf(Error);
    const folder = temporaryFolder();
    const [keyFile, certFile] = ['key', 'cert'].map((name) => join(folder, name));
    try {
      const subject = ['-subj', '/CN=localhost', '-days', '2', '-keyout', keyFile, '-out', certFile];
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
    } catch {
      console.warn('There is no openssl here: a server with a certificate is not tried.');
      return;
    }
    const [key, cert] = [keyFile, certFile].map((file) => readFileSync(file, 'utf8'));
    let greeted = '';
    const server = createTlsServer({ key, cert }, (socket) => {
      socket.on('data', (part: Buffer) => (greeted += part.toString()));
      socket.on('error', () => undefined);
      socket.write('{"t":"welcome","dataPorts":[1,2,3]}\n');
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    // Even one whom the client trusts.
    const trusted = connectTls({ ...clientOptions(KEY), ca: cert, port, host: 'localhost' });
    expect(await new Promise((resolve) => trusted.on('error', resolve))).toMatchObject({
      message: 'A certificate does not make a worker.',
    });
    await expectUnmoved();
    expect(greeted).toBe('');
    server.close();
  });
});

describe('a client with the secret', () => {
  it.each([
    ['a value before a hello', '{"t":"value","id":0,"value":1}'],
    ['no JSON', '{'],
    ['no object', 'null'],
    ['an unknown message', '{"t":"constructor"}'],
    ['a hello without a port', JSON.stringify({ t: 'hello', rank: 1, workers: [], versions: {} })],
    ['a hello with a field too many', () => hello(1, { more: 1 })],
    ['a hello with a rank that is a text', () => hello('1')],
    ['a hello with half a rank', () => hello(0.5)],
    ['a hello that is too long', () => hello(1, { versions: { Graft: 'x'.repeat(1 << 20) } })],
  ] as [string, string | (() => string)][])(
    'a client that sends %s is disconnected without harm to the others',
    async (_, line) => {
      const coordinator = start(0);
      await sleep(20);
      await insider([typeof line === 'string' ? line : line()]).closed;
      const group = [coordinator, start(1), start(2)];
      for (const { joined } of group) expect(await joined).toEqual([100, 101, 102]);
    },
  );

  it('a client that claims a taken or invalid rank is rejected, before and after the group is complete', async () => {
    const group = [start(0), start(1)];
    await sleep(100);
    const refusal = async (rank: number): Promise<string> => (await insider([hello(rank)]).closed).toString();
    const taken = /"t":"lost".*is there already/;
    expect(await refusal(1)).toMatch(taken);
    expect(await refusal(0)).toMatch(taken);
    expect(await refusal(7)).toMatch(/"t":"lost".*Rank 7 is none of the 3 workers'/);
    group.push(start(2));
    for (const { joined } of group) expect(await joined).toEqual([100, 101, 102]);
    expect(await refusal(2)).toMatch(taken);
    // A worker of another group, started with the same secret, ends itself alone.
    expect((await insider([hello(1, { workers: ['a:1', 'b:2'] })]).closed).toString()).toMatch(/another list/);
    expect((await insider([hello(1, { versions: { Graft: '9' } })]).closed).toString()).toMatch(/runs Graft 9/);
    for (const values of await Promise.all(group.map((channel) => channel.exchange(1))))
      expect(values).toEqual([1, 1, 1]);
  });

  it.each([
    ['a line that is not JSON', 'x'],
    ['a message "value" whose fields are not as they should be', '{"t":"value","id":-1,"value":1}'],
    ['a message "value" whose fields are not as they should be', '{"t":"value","id":0}'],
    ['a message "lost" whose fields are not as they should be', '{"t":"lost","failure":{"message":1,"code":"x"}}'],
    [
      'a message "value" whose fields are not as they should be',
      `{"t":"value","id":0,"value":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    ],
    ['a line of more than 8388608 bytes', 'x'.repeat(9 << 20)],
    ['values that nobody waits for', '{"t":"value","id":9,"value":1}\n{"t":"value","id":9,"value":1}'],
  ])('a worker ends the group with a clear error when it sends %s', async (problem, line) => {
    const coordinator = start(0);
    const other = start(2);
    await sleep(100);
    const { socket } = insider([hello(1)]);
    await Promise.all([coordinator.joined, other.joined]);
    socket.write(`${line}\n`);
    const sentence = `Worker 1 (${workers[1]}) sent ${problem}.`;
    expect((await lost(coordinator)).message).toBe(sentence);
    expect((await lost(other)).message).toBe(sentence);
  });

  it('an exchange above the size limit ends the group with its reason', async () => {
    const group = [start(0), start(1), start(2)];
    await Promise.all(group.map(({ joined }) => joined));
    const sentence = `Worker 1 (${workers[1]}) stopped with an error: it wants to exchange 5242882 bytes at once; 4194304 are the most.`;
    expect((await failureOf<WorkersError>(group[1].exchange('x'.repeat(5 << 20)))).message).toBe(sentence);
    for (const channel of [group[0], group[2]]) expect((await lost(channel)).message).toBe(sentence);
  });
});
