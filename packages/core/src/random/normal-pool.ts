import { onThreadEnd } from '@graft/engine/internal';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DrawReply, DrawRequest } from './normal-worker';
import type { RandomStream } from './streams';

/** Numbers per piece: half a megabyte. */
const CHUNK = 1 << 17;
/** Below this many numbers a thread costs more than it saves. */
const WORTH_A_THREAD = 1 << 20;

const WORKER_FILE = join(__dirname, 'normal-worker.js');

interface Waiting {
  readonly resolve: (numbers: Float32Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** The callers that wait for the next numbers of a sequence. */
  readonly waiting: Map<number, Waiting>;
  /** Why it no longer answers. */
  failure?: Error;
}

/**
 * Draws long sequences of normal numbers in separate threads, while this one reads and writes files. The result is
 * exactly that of `RandomStream.fillNormal`. If the threads' code is not compiled (sources run by a test), or for few
 * numbers, they are drawn in this thread.
 */
export class NormalPool {
  private readonly threads: Thread[] = [];
  private sequences = 0;

  constructor(
    private readonly size = Math.max(1, Math.min(2, availableParallelism() - 1)),
    private readonly workerFile = WORKER_FILE,
  ) {}

  /**
   * `length` numbers from where `stream` begins, whatever has been drawn from it, in pieces. A piece is valid until the
   * next one is requested, and may be overwritten.
   */
  async *draw(stream: RandomStream, length: number, standardDeviation: number): AsyncGenerator<Float32Array> {
    if (length < WORTH_A_THREAD || !existsSync(this.workerFile)) {
      const own = stream.restarted();
      const memory = new Float32Array(Math.min(length, CHUNK));
      for (let left = length; left > 0; left -= CHUNK) {
        const numbers = memory.subarray(0, left);
        own.fillNormal(numbers, standardDeviation);
        yield numbers;
      }
      return;
    }
    const id = this.sequences++;
    const thread = this.thread(id);
    let asked = 0;
    const ask = (used?: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> | undefined => {
      if (asked >= length) return undefined;
      const count = Math.min(length - asked, CHUNK);
      asked += count;
      const memory = used?.buffer ?? new ArrayBuffer(4 * CHUNK);
      const last = asked >= length;
      const request: DrawRequest = { id, stream: stream.name, length: count, standardDeviation, last, memory };
      const reply = new Promise<Float32Array<ArrayBuffer>>((resolve, reject) => {
        if (thread.failure) return reject(thread.failure);
        thread.waiting.set(id, { resolve, reject });
        thread.worker.postMessage(request, [memory]);
      });
      // It is awaited in the next iteration; this handler prevents an unhandled rejection until then.
      reply.catch(() => undefined);
      return reply;
    };
    let used: Float32Array<ArrayBuffer> | undefined;
    for (let next = ask(); next;) {
      const numbers = await next;
      next = ask(used);
      yield numbers;
      used = numbers;
    }
  }

  /** Ends the threads. */
  async dispose(): Promise<void> {
    await Promise.all(this.threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  private thread(id: number): Thread {
    const at = id % this.size;
    return (this.threads[at] ??= startThread(this.workerFile));
  }
}

function startThread(file: string): Thread {
  const worker = new Worker(file);
  const thread: Thread = { worker, waiting: new Map() };
  worker.on('message', ({ id, numbers }: DrawReply) => {
    const waiting = thread.waiting.get(id);
    thread.waiting.delete(id);
    waiting?.resolve(numbers);
  });
  onThreadEnd(worker, 'A thread that draws random numbers', 'random.thread', (error) => {
    thread.failure = error;
    for (const { reject } of thread.waiting.values()) reject(error);
    thread.waiting.clear();
  });
  return thread;
}
