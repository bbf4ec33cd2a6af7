/**
 * Starts tasks in the order in which they came, a limited number at a time. Collective operations need that: as long as all workers
 * start them in one order, the earliest unfinished one is under way everywhere, and nobody waits for a thread in a circle.
 */
export class OrderedQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private idle: (() => void)[] = [];

  constructor(private readonly width: number) {}

  /** `start` runs when it is the task's turn. After an error later tasks still start. */
  async run<T>(start: () => Promise<T>): Promise<T> {
    if (this.running >= this.width || this.waiting.length > 0)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await start();
    } finally {
      // The place goes to the next one without becoming free: nobody who comes now can take it.
      const next = this.waiting.shift();
      if (next) next();
      else if (--this.running === 0) for (const resolve of this.idle.splice(0)) resolve();
    }
  }

  /** Resolves when nothing is under way. */
  async drained(): Promise<void> {
    if (this.running > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }
}
