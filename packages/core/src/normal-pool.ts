import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DrawReply, DrawRequest } from './normal-worker';
import type { RandomStream } from './random';

/** Numbers at a time: a megabyte of them. */
const CHUNK = 1 << 18;
/** Below this many numbers a thread costs more than it saves. */
const WORTH_A_THREAD = 1 << 20;

const WORKER_FILE = join(__dirname, 'normal-worker.js');

interface Thread {
  readonly worker: Worker;
  /** Who waits for the next numbers of a sequence. */
  readonly waiting: Map<number, { resolve(numbers: Float32Array): void; reject(error: unknown): void }>;
}

/**
 * Draws long sequences of normal numbers in threads of their own, while this one reads and writes files. What comes out
 * is what `RandomStream.fillNormal` gives, number by number. Where the threads' code is not compiled (sources run by a
 * test), or only few numbers are wanted, they are drawn in this thread.
 */
export class NormalPool {
  private readonly threads: Thread[] = [];
  private sequences = 0;

  constructor(private readonly size = Math.max(1, Math.min(2, availableParallelism() - 1))) {}

  /** `length` numbers from where `stream` begins, whatever has been drawn from it, in pieces. */
  async *draw(stream: RandomStream, length: number, standardDeviation: number): AsyncGenerator<Float32Array> {
    if (length < WORTH_A_THREAD || !existsSync(WORKER_FILE)) {
      const own = stream.restarted();
      for (let left = length; left > 0; left -= CHUNK) {
        const numbers = new Float32Array(Math.min(left, CHUNK));
        own.fillNormal(numbers, standardDeviation);
        yield numbers;
      }
      return;
    }
    const id = this.sequences++;
    const thread = this.thread(id);
    let asked = 0;
    const ask = (): Promise<Float32Array> | undefined => {
      if (asked >= length) return undefined;
      const count = Math.min(length - asked, CHUNK);
      asked += count;
      const request: DrawRequest = { id, stream: stream.name, length: count, standardDeviation, last: asked >= length };
      const reply = new Promise<Float32Array>((resolve, reject) => thread.waiting.set(id, { resolve, reject }));
      // It is awaited a round later: until then its failure is not a rejection that nobody handles.
      reply.catch(() => undefined);
      thread.worker.postMessage(request);
      return reply;
    };
    for (let next = ask(); next;) {
      const numbers = await next;
      next = ask();
      yield numbers;
    }
  }

  /** Ends the threads. */
  async dispose(): Promise<void> {
    await Promise.all(this.threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  private thread(id: number): Thread {
    const at = id % this.size;
    return (this.threads[at] ??= startThread());
  }
}

function startThread(): Thread {
  const worker = new Worker(WORKER_FILE);
  const thread: Thread = { worker, waiting: new Map() };
  worker.on('message', ({ id, numbers }: DrawReply) => {
    const waiting = thread.waiting.get(id);
    thread.waiting.delete(id);
    waiting?.resolve(numbers);
  });
  worker.on('error', (error) => {
    for (const { reject } of thread.waiting.values()) reject(error);
    thread.waiting.clear();
  });
  return thread;
}
