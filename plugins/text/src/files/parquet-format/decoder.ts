import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { perform, type Answer, type Question } from './perform';

const THREAD_FILE = join(__dirname, 'thread.js');

/** How often the watchdog looks, and how often in a row it may see no step: ten seconds. A page takes milliseconds. */
const CHECK_MS = 250;
const IDLE_CHECKS = 40;
/** Of the thread's own memory; what files hold lies beside it. */
const HEAP_MIB = 1536;

interface Waiting {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
}

const describe = (question: Question): string =>
  question.kind === 'contents' ? 'its table of contents' : `row group ${question.index + 1}`;

/**
 * Reads Parquet files in a thread of its own, one question after the other: what decodes them believes what it reads, and with
 * a length that no check knows of it may never end. A thread that makes no step for ten seconds, or that dies, is an answer
 * with a reason. Where the thread's code is not compiled (sources run by a test), this thread does the work.
 */
export class Decoder {
  private worker: Worker | undefined;
  private readonly counters = new Int32Array(new SharedArrayBuffer(8));
  private readonly queue: Waiting[] = [];
  private asked: Waiting | undefined;
  private watchdog: NodeJS.Timeout | undefined;

  /** `stillLooks`: of 250 ms. */
  constructor(
    private readonly threadFile = THREAD_FILE,
    private readonly idleChecks = IDLE_CHECKS,
    private readonly heapMib = HEAP_MIB,
  ) {}

  async ask(question: Question): Promise<Answer> {
    if (!existsSync(this.threadFile)) {
      const { answer } = await perform(question, { step: () => undefined, reading: (read) => read });
      return answer;
    }
    return new Promise((resolve) => {
      this.queue.push({ question, resolve });
      this.next();
    });
  }

  private next(): void {
    if (this.asked) return;
    this.asked = this.queue.shift();
    if (!this.asked) {
      // A thread that waits does not keep the process.
      this.worker?.unref();
      return;
    }
    this.worker ??= this.start();
    this.worker.ref();
    this.watch();
    this.worker.postMessage(this.asked.question);
  }

  private start(): Worker {
    const worker = new Worker(this.threadFile, {
      workerData: this.counters.buffer,
      resourceLimits: { maxOldGenerationSizeMb: this.heapMib },
    });
    this.counters.fill(0);
    worker.on('message', (answer: Answer) => this.answer(answer));
    // It ends behind an error too.
    let why = '';
    worker.on('error', (error: NodeJS.ErrnoException) => {
      why =
        error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? `it takes more than ${this.heapMib} MiB of memory` : error.message;
    });
    worker.on('exit', (status) => {
      if (this.worker === worker) this.fail(why || `the thread that reads it ended with status ${status}`);
    });
    return worker;
  }

  private watch(): void {
    let [steps, still] = [-1, 0];
    this.watchdog = setInterval(() => {
      const now = Atomics.load(this.counters, 0);
      const isReading = Atomics.load(this.counters, 1) > 0;
      // Looks, not seconds: a process that was stopped for a while goes on as if it had not been.
      still = now === steps || isReading ? still + Number(!isReading) : 0;
      steps = now;
      if (still < this.idleChecks) return;
      this.fail(`decoding it made no progress for ${(this.idleChecks * CHECK_MS) / 1000} s`);
    }, CHECK_MS);
  }

  private answer(answer: Answer): void {
    clearInterval(this.watchdog);
    const { asked } = this;
    this.asked = undefined;
    asked?.resolve(answer);
    this.next();
  }

  /** The thread is given up; the next question gets another one. */
  private fail(problem: string): void {
    const { worker, asked } = this;
    this.worker = undefined;
    void worker?.terminate();
    this.answer({ reason: `it is damaged, or too large (${asked ? `${describe(asked.question)}: ` : ''}${problem})` });
  }
}

/** Of this process: one for all files, as they are read one after the other. */
export const decoder = new Decoder();
