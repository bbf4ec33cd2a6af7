import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  path: string;
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}

export interface FakeMlflow {
  server: Server;
  port: number;
  calls: Call[];
  /** Called before each response; may wait, and may return another status than 200, or a refusal in MLflow's form. */
  before: (call: Call) => Promise<number | object | void>;
  /** The result of `/runs/search`. */
  known: object[];
  /** Where the run's artifacts are. */
  artifactUri: string;
}

/** A server that implements the few calls of the protocol and records them. */
export async function listen(port = 0): Promise<FakeMlflow> {
  const fake: FakeMlflow = {
    server: createServer(),
    port,
    calls: [],
    before: async () => undefined,
    known: [],
    artifactUri: 'mlflow-artifacts:/7/r1/artifacts',
  };
  const answer = (path: string): object | undefined =>
    ({
      '/experiments/create': { experiment_id: '7' },
      '/runs/search': { runs: fake.known },
      '/runs/create': { run: { info: { run_id: 'r1' } } },
      '/runs/log-batch': {},
      '/runs/update': {},
      '/runs/get': { run: { info: { artifact_uri: fake.artifactUri } } },
    })[path];
  fake.server.on('request', (request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const path = request.url!.replace('/api/2.0/mlflow/', '/').replace(/\?.*/, '');
      const isFile = request.method === 'PUT';
      const body = isFile ? { text } : text ? (JSON.parse(text) as Call['body']) : {};
      const call = { path, body, headers: request.headers };
      fake.calls.push(call);
      void fake.before(call).then((other) => {
        const known = isFile ? {} : answer(path);
        const status = typeof other === 'object' ? 400 : (other ?? (known ? 200 : 404));
        const none = { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'There is none.' };
        const answered = typeof other === 'number' ? { message: 'No.' } : (other ?? known ?? none);
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(isFile && status === 200 ? '' : JSON.stringify(answered));
      });
    });
  });
  await new Promise<void>((resolve) => fake.server.listen(port, '127.0.0.1', resolve));
  fake.port = (fake.server.address() as AddressInfo).port;
  return fake;
}

export function close({ server }: FakeMlflow): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
