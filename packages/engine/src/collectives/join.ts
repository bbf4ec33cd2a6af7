import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join as joinPath } from 'node:path';
import { WorkersError } from '../errors';
import type { NativeSide } from '../jit/jit';
import { checkWorkers, formatAddress, parseAddress } from './addresses';
import { ControlChannel } from './control/channel';
import { unusable } from './control/hub';
import { checkNetwork } from './network';
import { controlKey } from './secret';
import { serverDef } from './server-def';
import { TensorFlowGroup } from './tensorflow-group';
import type { Collectives, JoinOptions, WorkerGroup } from './types';

const TIMEOUT_MS = 300_000;
const BUCKET_BYTES = 16 << 20;
/** For the first tensor between workers that have met already. */
const FIRST_TENSOR_SECONDS = 60;

let joined = false;

/** TensorFlow's own collective operations, over gRPC between the workers' processes. */
export function tensorFlowCollectives(native: NativeSide): Collectives {
  return { join: (options) => join(native, options) };
}

async function join(native: NativeSide, options: JoinOptions): Promise<WorkerGroup> {
  const { workers, rank, timeoutMs = TIMEOUT_MS, bucketBytes = BUCKET_BYTES, signal } = options;
  const addresses = checkWorkers(workers, rank);
  checkNetwork(options);
  const key = controlKey(options.secret);
  const { runtime } = native.binding;
  // TensorFlow replaces the context's device, and with it what every tensor points at.
  if (joined || runtime.liveTensors > 0) {
    throw new WorkersError('A process can join one group of workers, before it makes its first tensor.', {
      code: 'workers.late',
    });
  }
  joined = true;
  // Worker 0's own address is for meeting; its tensors come in at another port.
  const dataPort = rank === 0 ? await freePort() : addresses[rank].port;
  if (rank > 0) await checkPort(workers[rank]);
  const channel = new ControlChannel({ workers, rank, key, dataPort, timeoutMs, versions: versions(runtime.version) });
  const stop = (): void => void channel.close({ command: 'fail', reason: String((signal!.reason as Error).message) });
  try {
    const ports = await untilAborted(channel.joined, signal);
    const tensorAddresses = addresses.map(({ host }, i) => formatAddress({ host, port: ports[i] }));
    enable(native, tensorAddresses, rank, workers[rank]);
    // Nobody dials a server that is not there yet.
    await channel.exchange('listening');
    const group = new TensorFlowGroup(native, channel, { workers, rank, bucketBytes });
    await group.firstContact(FIRST_TENSOR_SECONDS);
    return group;
  } catch (error) {
    if (signal?.aborted) stop();
    else await channel.close({ command: 'fail', reason: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function enable({ binding: { runtime } }: NativeSide, addresses: readonly string[], rank: number, own: string): void {
  // gRPC would send even neighbours' tensors through the proxy for the web.
  const hosts = [process.env.no_grpc_proxy, ...addresses.map((address) => parseAddress(address).host)];
  process.env.no_grpc_proxy = hosts.filter(Boolean).join(',');
  const proto = serverDef(addresses, rank, runtime.threads);
  runtime.api.TFE_EnableCollectiveOps(runtime.context, proto, proto.length, runtime.sharedStatus);
  try {
    runtime.check('starting the server for tensors');
  } catch (cause) {
    throw new WorkersError(`The worker ${own} cannot take tensors: ${(cause as Error).message}`, {
      code: 'workers.server',
      cause,
    });
  }
}

function versions(tensorflow: string): Record<string, string> {
  const manifest = JSON.parse(readFileSync(joinPath(__dirname, '..', '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  return { Graft: manifest.version, TensorFlow: tensorflow };
}

/** A port that is free now. */
export function freePort(host?: string): Promise<number> {
  return listenOnce(0, host);
}

async function checkPort(worker: string): Promise<void> {
  try {
    await listenOnce(parseAddress(worker).port);
  } catch (error) {
    const { message, ...options } = unusable(worker, error as NodeJS.ErrnoException);
    throw new WorkersError(message, options);
  }
}

function listenOnce(port: number, host?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}
