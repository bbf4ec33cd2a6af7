/**
 * Starts tasks in the order in which they came, a limited number at a time. Collective operations need that: as long as
 * all workers start them in the same order, the earliest unfinished one is running in every worker, and they cannot
 * deadlock by waiting for each other's threads.
 */
export class OrderedQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private idle: (() => void)[] = [];

  constructor(private readonly width: number) {}

  /** Calls `start` when it is the task's turn. After an error later tasks still start. */
  async run<T>(start: () => Promise<T>): Promise<T> {
    if (this.running >= this.width || this.waiting.length > 0)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await start();
    } finally {
      // Hands the slot to the next task without freeing it: a task that arrives now cannot take it.
      const next = this.waiting.shift();
      if (next) next();
      else if (--this.running === 0) for (const resolve of this.idle.splice(0)) resolve();
    }
  }

  /** Resolves when no task is running. */
  async drained(): Promise<void> {
    if (this.running > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }
}
