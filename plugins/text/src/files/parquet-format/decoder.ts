import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { perform, type Answer, type Question } from './perform';

const THREAD_FILE = join(__dirname, 'thread.js');

/**
 * The interval at which the watchdog checks, and how many checks in succession may see no step: ten seconds. A page
 * takes milliseconds.
 */
const CHECK_MS = 250;
const IDLE_CHECKS = 40;
/** Of the thread's own memory; the contents of files are outside of it. */
const HEAP_MIB = 1536;

interface Waiting {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
}

const describe = (question: Question): string =>
  question.kind === 'contents' ? 'its table of contents' : `row group ${question.index + 1}`;

/**
 * Reads Parquet files in a thread of its own, one question after the other: the library that decodes them trusts its
 * input, and a wrong length that no check detects may make it run forever. If the thread makes no step for ten seconds,
 * or dies, the answer is a reason. If the thread's code is not compiled (when a test runs the sources), this thread
 * does the work.
 */
export class Decoder {
  private worker: Worker | undefined;
  private readonly counters = new Int32Array(new SharedArrayBuffer(8));
  private readonly queue: Waiting[] = [];
  private asked: Waiting | undefined;
  private watchdog: NodeJS.Timeout | undefined;

  /** `stillLooks`: number of checks, 250 ms apart. */
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
      // A waiting thread does not keep the process alive.
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
    // It also ends after an error.
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
      // Checks are counted, not seconds: a process that was stopped for a while continues as if nothing had happened.
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

  /** Ends the thread; the next question gets a new one. */
  private fail(problem: string): void {
    const { worker, asked } = this;
    this.worker = undefined;
    void worker?.terminate();
    this.answer({ reason: `it is damaged, or too large (${asked ? `${describe(asked.question)}: ` : ''}${problem})` });
  }
}

/** One per process for all files, because they are read one after the other. */
export const decoder = new Decoder();
