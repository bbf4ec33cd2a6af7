import { Secret, silentLogger } from '@graft/core';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { temporaryFolder } from '@graft/test-support';
import { close, listen } from '../test-support/fake-mlflow';
import { MlflowTracker } from './tracker';

const MIB = 1 << 20;

/** A server whose responses are whatever `answer` writes. They are bytes: no library makes them valid. */
async function hostile(answer: (socket: Socket) => void): Promise<{ port: number; end: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const end = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, end };
}

const http = (body: string | Buffer, { status = '200 OK', type = 'application/json', headers = '' } = {}): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}Connection: close\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);

/** Writes the same bytes repeatedly for as long as they are accepted. */
function forever(socket: Socket, head: string, piece: Buffer | string, pauseMs = 0): void {
  socket.write(head);
  const more = (): void => {
    if (socket.destroyed) return;
    if (pauseMs > 0) setTimeout(more, pauseMs);
    else if (!socket.writableNeedDrain) setImmediate(more);
    else socket.once('drain', more);
    socket.write(piece);
  };
  more();
}

const PACKED = gzipSync(Buffer.alloc(128 * MIB));
const CHUNKED = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
const CHUNK = `10000\r\n${' '.repeat(0x10000)}\r\n`;
const deep = '['.repeat(100_000) + ']'.repeat(100_000);
const experiment = (id: unknown): Buffer => http(JSON.stringify({ experiment: { experiment_id: id } }));

test.each<[string, RegExp, (socket: Socket) => void]>([
  ['HTML', /not MLflow: it is not JSON/, (socket) => socket.end(http('<html>Log in</html>', { type: 'text/html' }))],
  ['an empty body', /not MLflow: it is not JSON/, (socket) => socket.end(http(''))],
  ['incomplete JSON', /not MLflow: it is not JSON/, (socket) => socket.end(http('{"experiment": {'))],
  ['a list', /not MLflow: it is not an object/, (socket) => socket.end(http('[1, 2]'))],
  ['null', /not MLflow: it is not an object/, (socket) => socket.end(http('null'))],
  ['JSON nested 100,000 levels deep', /not MLflow: it is not (JSON|an object)/, (socket) => socket.end(http(deep))],
  [
    'an id that is an object',
    /experiment\.experiment_id is missing, or something else/,
    (socket) => socket.end(experiment({ a: 1 })),
  ],
  [
    'an id of a million characters',
    /experiment\.experiment_id is missing, or something else/,
    (socket) => socket.end(experiment('7'.repeat(1e6))),
  ],
  ['an id below 0', /experiment\.experiment_id is missing, or something else/, (socket) => socket.end(experiment(-1))],
  [
    'an error with status 200',
    /200 a \[31mb\./,
    (socket) => socket.end(http('{"error_code":"INTERNAL_ERROR","message":"a\\u001b[31mb\\u202e\\nmore"}')),
  ],
  [
    'an error of a million characters',
    /400 x{200}\./,
    (socket) => socket.end(http(JSON.stringify({ error_code: 'X', message: 'x'.repeat(1e6) }), { status: '400 Bad' })),
  ],
  [
    'an error that is not text',
    /503 Busy/,
    (socket) => socket.end(http('{"message":{"a":[1]}}', { status: '503 Busy' })),
  ],
  ['status 401', /401 Unauthorized/, (socket) => socket.end(http('', { status: '401 Unauthorized' }))],
  [
    'a redirect to another host',
    /302: it redirects to http:\/\/127\.0\.0\.2:1, which is not followed; name the address/,
    (socket) => socket.end(http('', { status: '302 Found', headers: 'Location: http://127.0.0.2:1/x?token=q\r\n' })),
  ],
  [
    'a redirect to nowhere',
    /307: it redirects, which is not followed/,
    (socket) => socket.end(http('', { status: '307 Temporary', headers: 'Location: ::\r\n' })),
  ],
  ['more than 16 MiB', /an answer of more than 16 MiB/, (socket) => socket.end(http(Buffer.alloc(17 * MIB, 0x20)))],
  [
    'a content length of a terabyte',
    /no answer within|more than 16 MiB|aborted/,
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{'),
  ],
  ['chunks without end', /an answer of more than 16 MiB/, (socket) => forever(socket, CHUNKED, CHUNK)],
  ['one byte at a time', /no answer within 1 s/, (socket) => forever(socket, CHUNKED, '1\r\n \r\n', 50)],
  [
    'headers without end',
    /overflow|Header/i,
    (socket) => forever(socket, 'HTTP/1.1 200 OK\r\n', `X: ${'y'.repeat(5000)}\r\n`),
  ],
  [
    'early hints without end',
    /no answer within 1 s|overflow/i,
    (socket) => forever(socket, '', 'HTTP/1.1 103 Early Hints\r\n\r\n', 1),
  ],
  [
    '128 MiB, compressed',
    /an answer of more than 16 MiB/,
    (socket) => socket.end(http(PACKED, { headers: 'Content-Encoding: gzip\r\n' })),
  ],
  [
    'a wrong content encoding',
    /header|incorrect/i,
    (socket) => socket.end(http('{}', { headers: 'Content-Encoding: gzip\r\n' })),
  ],
  ['something other than HTTP', /Parse Error/, (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
  ['a connection that breaks', /ECONNRESET|socket hang up|aborted/, (socket) => socket.resetAndDestroy()],
  [
    'an answer that breaks off',
    /aborted|ECONNRESET|socket hang up/,
    (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"exp'),
  ],
  ['silence', /no answer within 1 s/, () => undefined],
])('a server that answers with %s causes one warning, no delay and no loss', async (_, sentence, answer) => {
  const server = await hostile(answer);
  const folder = temporaryFolder();
  const warnings: string[] = [];
  const options = {
    trackingUri: `http://ann:pass-canary@127.0.0.1:${server.port}/`,
    flushSeconds: 0.05,
    timeoutSeconds: 1,
    finishSeconds: 0.5,
  };
  const before = process.memoryUsage().arrayBuffers;
  const sender = new MlflowTracker(options, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
  mkdirSync(join(folder, 'one'));
  await sender.start({ name: 'trial', id: 'one', folder: join(folder, 'one'), config: { seed: 0 } });
  sender.log(1, { loss: 5 });
  for (let turn = 0; turn < 200 && warnings.length === 0; turn++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  await sender.finish('finished');
  await server.end();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * MIB);
  expect(warnings).toHaveLength(2);
  expect(warnings[0]).toMatch(sentence);
  expect(warnings[0]).toMatch(
    new RegExp(`^MLflow at http://127\\.0\\.0\\.1:${server.port}: .*\\. The run continues; sending is tried again\\.$`),
  );
  expect(warnings[0].length).toBeLessThan(400);
  // eslint-disable-next-line no-control-regex -- nothing that a terminal would obey
  expect(warnings.join('')).not.toMatch(/canary|[\u0000-\u001f\u202e]/);
  const [file] = readdirSync(join(folder, 'one'));
  expect(JSON.parse(readFileSync(join(folder, 'one', file), 'utf8'))).toMatchObject({
    metrics: [{ key: 'loss', value: 5 }],
  });
});

test('credentials are sent to the configured server, and not to the target of a redirect', async () => {
  const other = await listen();
  const server = await hostile((socket) =>
    socket.end(
      http('', { status: '308 Moved', headers: `Location: http://127.0.0.1:${other.port}/api/2.0/mlflow/\r\n` }),
    ),
  );
  const folder = temporaryFolder();
  const options = {
    trackingUri: `http://127.0.0.1:${server.port}`,
    flushSeconds: 0.05,
    timeoutSeconds: 1,
    finishSeconds: 1,
  };
  const sender = new MlflowTracker({ ...options, token: new Secret('token-canary') }, silentLogger());
  await sender.start({ name: 'trial', id: 'one', folder, config: { seed: 0 } });
  await sender.finish('finished');
  await server.end();
  await close(other);
  expect(other.calls).toEqual([]);
});

test.each([
  [{ token: new Secret('abc') }, {}, 'Bearer abc'],
  [{ username: new Secret('ann'), password: new Secret('pw') }, { MLFLOW_TRACKING_TOKEN: 'env' }, 'Basic YW5uOnB3'],
  [{}, { MLFLOW_TRACKING_TOKEN: 'env' }, 'Bearer env'],
  [{}, { MLFLOW_TRACKING_USERNAME: 'ann', MLFLOW_TRACKING_PASSWORD: 'pw' }, 'Basic YW5uOnB3'],
  [{}, { MLFLOW_TRACKING_USERNAME: 'ann' }, undefined],
])('the options %j with the environment %j authorize as %s', async (given, environment, expected) => {
  const fake = await listen();
  Object.assign(process.env, environment);
  try {
    const options = {
      trackingUri: `http://127.0.0.1:${fake.port}`,
      flushSeconds: 1,
      timeoutSeconds: 1,
      finishSeconds: 1,
    };
    const sender = new MlflowTracker({ ...options, ...given }, silentLogger());
    await sender.start({ name: 'trial', id: 'one', folder: temporaryFolder(), config: { seed: 0 } });
    await sender.finish('finished');
  } finally {
    for (const name of Object.keys(environment)) delete process.env[name];
  }
  await close(fake);
  expect(new Set(fake.calls.map(({ headers }) => headers.authorization))).toEqual(new Set([expected]));
});
