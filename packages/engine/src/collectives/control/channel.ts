import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { WorkersError } from '@graft/errors';
import { onThreadEnd } from '../../threads';
import type { Message } from '../types';
import { CoordinatorNode } from './coordinator-node';
import { WorkerNode } from './worker-node';
import type { Command, ControlEvent, ControlOptions, Failure } from './messages';

const THREAD_FILE = join(__dirname, 'thread.js');

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The program's end of the control channel; the node runs in a separate thread, or in this one if its code is not
 * compiled.
 */
export class ControlChannel {
  private readonly abort = new AbortController();
  private readonly rounds = new Map<number, Waiting<Message[]>>();
  private readonly post: (command: Command) => void;
  private readonly stop: () => Promise<unknown>;
  private joining: Waiting<readonly number[]> | undefined;
  private closing: (() => void) | undefined;
  private nextId = 0;
  private over = false;
  /** The thread has ended: it no longer answers. */
  private gone = false;
  /** Ports for tensors, in the order of ranks. */
  readonly joined: Promise<readonly number[]>;

  constructor(options: ControlOptions, threadFile = THREAD_FILE) {
    this.joined = new Promise((resolve, reject) => (this.joining = { resolve, reject }));
    this.joined.catch(() => undefined);
    if (existsSync(threadFile)) {
      const worker = new Worker(threadFile, { workerData: options });
      worker.on('message', (event: ControlEvent) => this.handleEvent(event));
      onThreadEnd(worker, 'The thread that watches over the workers', 'workers.thread', ({ message, code, hint }) => {
        this.gone = true;
        // `stop` ends it too.
        if (!this.over) this.end({ message, code, hint });
        this.closing?.();
      });
      this.post = (command) => worker.postMessage(command);
      this.stop = () => worker.terminate();
    } else {
      const node = new (options.rank === 0 ? CoordinatorNode : WorkerNode)(options, (event) =>
        setImmediate(() => this.handleEvent(event)),
      );
      this.post = (command) => node.handle(command);
      this.stop = () => Promise.resolve();
    }
  }

  /** Aborted with a WorkersError when the group has ended. */
  get lost(): AbortSignal {
    return this.abort.signal;
  }

  /** Throws why the group has ended, if it has. */
  check(): void {
    if (!this.lost.aborted) return;
    this.noticed();
    throw this.lost.reason;
  }

  /**
   * Call this once the program knows that the group has ended: from then on the thread does not kill it for failing to
   * notice.
   */
  noticed(): void {
    if (!this.over && !this.gone) this.post({ command: 'noticed' });
  }

  exchange(value: Message): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      this.check();
      const id = this.nextId++;
      this.rounds.set(id, { resolve, reject });
      this.post({ command: 'exchange', id, value });
    });
  }

  async close(goodbye: Extract<Command, { command: 'leave' | 'fail' }>): Promise<void> {
    if (this.over || this.gone) return;
    const closed = new Promise<void>((resolve) => (this.closing = resolve));
    this.post(goodbye);
    this.over = true;
    await closed;
    await this.stop();
  }

  private handleEvent(event: ControlEvent): void {
    switch (event.event) {
      case 'joined':
        return this.joining?.resolve(event.dataPorts);
      case 'values':
        this.rounds.get(event.id)?.resolve([...event.values]);
        this.rounds.delete(event.id);
        return;
      case 'lost':
        return this.end(event.failure);
      case 'closed':
        return this.closing?.();
    }
  }

  private end({ message, ...options }: Failure): void {
    if (this.lost.aborted) return;
    const error = new WorkersError(message, options);
    this.abort.abort(error);
    this.joining?.reject(error);
    if (this.rounds.size > 0) this.noticed();
    for (const { reject } of this.rounds.values()) reject(error);
    this.rounds.clear();
  }
}
