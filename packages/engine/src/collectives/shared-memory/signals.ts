import { systemFunction } from '../../foreign/library';
import type { Pointer } from '../../foreign/memory';
import type { Layout } from './layout';
import type { SharedMemory } from './memory';

/** Timers, signals and messages get a turn at least this often. */
const TURN_MS = 30;
/** A sleeping thread checks again after this time, even without a wake-up. */
const SLEEP_MS = 1000;
/** Sleep time if a thread cannot wait for a wake-up. */
const NAP_MS = 1;

/** The number of Linux's system call "futex", by processor architecture. */
const FUTEX: Readonly<Record<string, number>> = { x64: 202, arm64: 98 };
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const ONE = 1;

type FutexArguments = [call: number, word: Pointer, operation: number, value: number, timeout: BigInt64Array | null];
interface Futex {
  (...args: FutexArguments): number;
  async(...args: [...FutexArguments, done: (error: unknown) => void]): void;
}

interface Waiting {
  readonly ready: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Counters of the workers, and waiting for them without using a core. Each worker has a bell in the shared memory; a
 * worker that changes a counter rings the bells of the workers that it concerns. One thread sleeps, no matter how many
 * conditions a worker waits for. (Polling for 50 to 300 µs before sleeping was not faster, and took up to 50 % more
 * processor time.)
 */
export class Signals {
  private readonly waiting = new Set<Waiting>();
  private listening = false;
  private listened: Promise<void> = Promise.resolve();
  private readonly futex: Futex | undefined;
  private readonly call = FUTEX[process.arch];
  private readonly timeout = BigInt64Array.of(BigInt(SLEEP_MS / 1000), 0n);
  private lastTurnAt = performance.now();
  /** Why waiting is no longer possible. */
  private over: Error | undefined;
  private closed = false;

  /** `left` makes the error for a worker that has left the group while this one waits for it. */
  constructor(
    private readonly memory: SharedMemory,
    private readonly layout: Layout,
    private readonly rank: number,
    private readonly lost: AbortSignal,
    private readonly left: (rank: number) => Error,
  ) {
    if (process.platform === 'linux' && this.call !== undefined)
      this.futex = systemFunction<Futex>('long syscall(long, uintptr_t, int, int, void *)');
    lost.addEventListener('abort', () => this.rejectWaiting(lost.reason as Error), { once: true });
  }

  /**
   * Sets a counter, which only this worker may do, and notifies the others, which then see everything that was written
   * before.
   */
  post(word: number, value: number, to: readonly number[]): void {
    Atomics.store(this.memory.words, word, value | 0);
    for (const rank of to) this.ring(rank);
  }

  /** Whether a worker's counter has reached `value`. Throws if that worker has left first. Counters may overflow. */
  hasReached(rank: number, word: number, value: number): boolean {
    const { words } = this.memory;
    const reached = (): boolean => ((Atomics.load(words, word) - value) | 0) >= 0;
    if (reached()) return true;
    // In this order: a worker sets its counters before it leaves.
    if (Atomics.load(words, this.layout.left(rank)) !== 0 && !reached()) throw this.left(rank);
    return false;
  }

  /** Resolves once `ready` returns true; rejects with what it throws, or when the group has ended. */
  async until(ready: () => boolean): Promise<void> {
    const now = performance.now();
    if (now - this.lastTurnAt > TURN_MS) {
      await new Promise(setImmediate);
      this.lastTurnAt = performance.now();
    }
    if (this.over !== undefined) throw this.over;
    if (ready()) return;
    await new Promise<void>((resolve, reject) => {
      this.waiting.add({ ready, resolve, reject });
      if (this.listening) return;
      this.listening = true;
      this.listened = this.listen().catch((error: Error) => this.rejectWaiting(error));
    });
    this.lastTurnAt = performance.now();
  }

  /** Resolves when no thread sleeps in the shared memory any more. */
  async close(reason: Error): Promise<void> {
    this.rejectWaiting(reason);
    await this.listened;
    this.closed = true;
  }

  private rejectWaiting(reason: Error): void {
    if (this.closed) return;
    this.over ??= reason;
    for (const { reject } of this.waiting) reject(reason);
    this.waiting.clear();
    this.ring(this.rank);
  }

  private ring(rank: number): void {
    const { words } = this.memory;
    const bell = this.layout.bell(rank);
    Atomics.add(words, bell, 1);
    if (this.futex && Atomics.load(words, this.layout.sleeps(rank)) !== 0)
      this.futex(this.call, this.memory.address(4 * bell), FUTEX_WAKE, ONE, null);
  }

  private async listen(): Promise<void> {
    const { words } = this.memory;
    const bell = this.layout.bell(this.rank);
    const sleeps = this.layout.sleeps(this.rank);
    for (;;) {
      // Set before looking: a worker that changes something from here on wakes the sleeper, or keeps it from falling
      // asleep.
      Atomics.store(words, sleeps, 1);
      const seen = Atomics.load(words, bell);
      this.look();
      if (this.waiting.size === 0) {
        Atomics.store(words, sleeps, 0);
        this.listening = false;
        return;
      }
      await this.sleep(bell, seen);
    }
  }

  private look(): void {
    for (const waiting of this.waiting) {
      try {
        if (!waiting.ready()) continue;
        waiting.resolve();
      } catch (error) {
        waiting.reject(error);
      }
      this.waiting.delete(waiting);
    }
  }

  private sleep(bell: number, seen: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.futex) {
        this.futex.async(this.call, this.memory.address(4 * bell), FUTEX_WAIT, seen, this.timeout, (error) =>
          error ? reject(error as Error) : resolve(),
        );
      } else setTimeout(resolve, NAP_MS);
    });
  }
}
