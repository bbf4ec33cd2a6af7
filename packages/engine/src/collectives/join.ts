import { readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { UsageError, WorkersError, messageOf } from '@graft/errors';
import type { NativeBackend } from '../targets/tensorflow/tensorflow-target';
import { checkWorkers } from './addresses';
import type { Connection } from './connection';
import { ControlChannel } from './control/channel';
import { koffi } from '../foreign/koffi';
import { checkNetwork } from './network';
import { controlKey } from './secret';
import { nativeTensorMemory, portableTensorMemory } from './shared-memory/tensor-memory';
import { tensorFlowTransport } from './tensorflow-transport';
import { tf } from '../tf';
import type { Collectives, JoinOptions, WorkerGroup } from './types';

const TIMEOUT_MS = 300_000;

/** `native`: undefined on the portable engine. */
export function collectives(native: NativeBackend | undefined): Collectives {
  return { join: (options) => join(native, options) };
}

async function join(native: NativeBackend | undefined, options: JoinOptions): Promise<WorkerGroup> {
  const { workers, rank, local, timeoutMs = TIMEOUT_MS, signal } = options;
  checkWorkers(workers, rank);
  checkNetwork(options);
  const key = controlKey(options.secret);
  const connection = await prepare(native, options);
  const channel = new ControlChannel({
    workers,
    rank,
    key,
    dataPort: connection.dataPort,
    timeoutMs,
    versions: { ...versions(native), transport: local ? 'shared-memory' : 'tensorflow' },
  });
  const stop = (): void => void channel.close({ command: 'fail', reason: String((signal!.reason as Error).message) });
  try {
    const ports = await untilAborted(channel.joined, signal);
    return await connection.connect(channel, ports);
  } catch (error) {
    if (signal?.aborted) stop();
    else await channel.close({ command: 'fail', reason: messageOf(error) });
    throw error;
  }
}

async function prepare(native: NativeBackend | undefined, options: JoinOptions): Promise<Connection> {
  if (!options.local) {
    if (native) return tensorFlowTransport(native, options);
    throw new UsageError(
      'Workers on several hosts need the native TensorFlow library, and this worker has the portable engine.',
      {
        code: 'workers.portable',
        hint: '`graft engine install` fetches the library; on one machine --local-workers (in a program: local: true) does without it.',
      },
    );
  }
  const { sharedMemoryTransport } = loadSharedMemory();
  return sharedMemoryTransport(native ? nativeTensorMemory(native) : portableTensorMemory(), options);
}

/** Loaded on demand. The portable engine works on machines for which koffi has no build; its workers do not. */
function loadSharedMemory(): typeof import('./shared-memory/transport') {
  try {
    koffi();
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
    return require('./shared-memory/transport') as typeof import('./shared-memory/transport');
  } catch (cause) {
    throw new WorkersError(`Workers of this machine cannot share memory. ${messageOf(cause)}`, {
      code: 'workers.shared-memory',
      cause,
    });
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

function versions(native: NativeBackend | undefined): Record<string, string> {
  const manifest = JSON.parse(readFileSync(joinPath(__dirname, '..', '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const { version: Graft } = manifest;
  return native ? { Graft, TensorFlow: native.binding.runtime.version } : { Graft, tfjs: tf.version_core };
}
