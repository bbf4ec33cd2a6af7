import type { PjrtApi } from './api';
import type { Pointer } from './memory';

/** Threads of libuv's four that may wait for events at a time: files are read on them, too. */
const WAITING_THREADS = 2;
let waiting = 0;
const queue: (() => void)[] = [];

async function onThread<T>(work: () => Promise<T>): Promise<T> {
  if (waiting >= WAITING_THREADS) await new Promise<void>((go) => queue.push(go));
  else waiting++;
  try {
    return await work();
  } finally {
    const next = queue.shift();
    if (next) next();
    else waiting--;
  }
}

/** Transfers from and to JavaScript's memory, which the process frees when it ends: they must be over by then. */
const transfers = new Set<() => void>();
let watchesExit = false;

function finishBeforeExit(finish: () => void): void {
  transfers.add(finish);
  if (watchesExit) return;
  watchesExit = true;
  process.once('exit', () => {
    for (const one of transfers) one();
  });
}

/** A PJRT event. Exactly one of `settled` and `release` destroys it. */
export class PjrtEvent {
  private destroyed = false;

  constructor(
    private readonly api: PjrtApi,
    private readonly event: Pointer,
  ) {}

  get ready(): boolean {
    return this.api.call('Event_IsReady', { event: this.event }, (args) => args.number('is_ready') !== 0);
  }

  /** Waits on another thread unless it has happened already, then destroys it. Rejects with the event's error. */
  async settled(): Promise<void> {
    try {
      if (this.ready) this.api.call('Event_Await', { event: this.event });
      else await this.await();
    } finally {
      this.destroy();
    }
  }

  /** As `settled`, while this thread waits. */
  settledSync(): void {
    try {
      this.api.call('Event_Await', { event: this.event });
    } finally {
      this.destroy();
    }
  }

  /** Destroys it without waiting. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.api.call('Event_Destroy', { event: this.event });
  }

  /** For a transfer from or to JavaScript's memory: a process that ends waits for it. The result takes that back. */
  beforeExit(): () => void {
    const finish = (): void => {
      try {
        this.api.call('Event_Await', { event: this.event });
      } catch {
        // The process ends; nobody would see it.
      }
    };
    finishBeforeExit(finish);
    return () => void transfers.delete(finish);
  }

  private async await(): Promise<void> {
    const isOver = this.beforeExit();
    try {
      await onThread(() => this.api.callAsync('Event_Await', { event: this.event }));
    } finally {
      isOver();
    }
  }
}

/** Events of work that was started and that nobody waits for, oldest first. They are destroyed as they happen. */
export class StartedWork {
  private readonly started: { readonly event: PjrtEvent; readonly bytes: number; readonly done: () => void }[] = [];
  private held = 0;

  get count(): number {
    return this.started.length;
  }

  /** Bytes of the host's memory that transfers read. */
  get heldBytes(): number {
    return this.held;
  }

  /**
   * `done` is called when `sweep` or `finished` finds that the event has happened. `bytes`: of the host's memory, which is
   * kept until then.
   */
  add(event: PjrtEvent, done: () => void, bytes = 0): void {
    this.sweep();
    this.started.push({ event, bytes, done });
    this.held += bytes;
  }

  /** Forgets the oldest that have happened; their errors are also those of the buffers that they write. */
  sweep(): void {
    while (this.started.length > 0 && this.started[0].event.ready) {
      const { event, done } = this.next()!;
      event.destroy();
      done();
    }
  }

  /** Waits for all. */
  async finished(): Promise<void> {
    for (let next = this.next(); next; next = this.next()) {
      await next.event.settled().catch(() => undefined);
      next.done();
    }
  }

  private next(): (typeof this.started)[number] | undefined {
    const oldest = this.started.shift();
    this.held -= oldest?.bytes ?? 0;
    return oldest;
  }
}
