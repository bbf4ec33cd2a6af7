import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = join(__dirname, '..', '..', 'bin', 'graft.js');
const LOOPBACK = '127.0.0.1';
/**
 * How long the others may take to exit after worker 0; they have nothing to save. After a failure they may never have
 * joined.
 */
const EXIT_TIMEOUT_MS = { done: 10_000, failed: 1000 } as const;
/** Set for processes that worker 0 started: they end when it does. */
const STARTED_BY_WORKER_0 = 'GRAFT_LOCAL_WORKER';
const SECRET_BYTES = 32;

/**
 * Whether `--local-workers` of another process started this one. To be called before the run begins, which removes the
 * mark.
 */
export const isStartedByWorker0 = (): boolean => process.env[STARTED_BY_WORKER_0] !== undefined;

export interface LocalWorkersOptions {
  /** All workers, this process included. */
  readonly count: number;
  /** The arguments of `graft` for every worker, without its rank. */
  readonly arguments: readonly string[];
  /** Receives a line that another worker wrote to standard error. */
  readonly onLine: (line: string) => void;
}

/** The workers of one machine: this process is worker 0 and starts the others. */
export class LocalWorkers {
  private readonly died = new AbortController();

  private constructor(
    readonly addresses: readonly string[],
    /** Secret of the group, which the others have received too. */
    readonly secret: string,
    private readonly children: readonly ChildProcess[],
  ) {
    children.forEach((child, i) => {
      const fail = (how: string): void =>
        this.died.abort(Object.assign(new Error(`Worker ${i + 1} ended before it was there (${how}).`), EXPLAINED));
      child.on('error', (error) => fail(error.message));
      child.on('exit', (code, signal) => fail(code === null ? `signal ${signal}` : `status ${code}`));
    });
  }

  static async start({ count, arguments: given, onLine }: LocalWorkersOptions): Promise<LocalWorkers> {
    const { freeAddresses } = await import('@graft/engine/internal');
    const addresses = await freeAddresses(count, LOOPBACK);
    const secret = randomBytes(SECRET_BYTES).toString('hex');
    const children = addresses.slice(1).map((_, i) => {
      const rank = i + 1;
      const own = ['--workers', addresses.join(','), '--rank', String(rank)];
      const child = spawn(process.execPath, [...process.execArgv, BINARY, ...given, ...own], {
        // The channel breaks when this process ends for any reason.
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        env: { ...process.env, [STARTED_BY_WORKER_0]: '1' },
      });
      // Sent over the channel between parent and child, because other users can read command lines and environments.
      child.once('message', () => child.send({ secret }, () => undefined));
      createInterface({ input: child.stderr! }).on('line', (line) => onLine(`[worker ${rank}] ${line}`));
      return child;
    });
    return new LocalWorkers(addresses, secret, children);
  }

  /** Aborted when one of them ends. Once the group is complete, it detects that itself. */
  get ended(): AbortSignal {
    return this.died.signal;
  }

  /** Waits until the others have exited; those that do not are killed. */
  async close(outcome: keyof typeof EXIT_TIMEOUT_MS): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
        const exit = new Promise((resolve) => child.once('exit', resolve));
        const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_TIMEOUT_MS[outcome]);
        await exit;
        clearTimeout(timer);
      }),
    );
  }
}

const EXPLAINED = { code: 'workers.start', exitCode: 1, hint: 'What it said is above.' } as const;

/**
 * In a process that worker 0 started: ends it when worker 0 exits, and receives the group's secret. Undefined in any
 * other process.
 */
export async function secretOfWorker0(): Promise<string | undefined> {
  if (process.env[STARTED_BY_WORKER_0] === undefined || !process.channel) return undefined;
  delete process.env[STARTED_BY_WORKER_0];
  process.on('disconnect', () => process.exit(1));
  const answer = new Promise<unknown>((resolve) => process.once('message', resolve));
  process.send!('secret');
  const { secret } = (await answer) as { readonly secret: string };
  // It must not keep the process alive.
  process.channel.unref();
  return secret;
}
