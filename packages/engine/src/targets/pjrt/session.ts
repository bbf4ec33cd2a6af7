import type { PjrtApi } from './api';
import type { Device } from './device';
import { closedClient } from './errors';
import { PjrtEvent, StartedWork } from './events';
import type { Pointer } from './memory';

/** Something of a client's that must be disposed before the client. */
export interface Owned {
  dispose(): void;
}

/** What a client shares with its buffers and executables: the plugin, what is alive, and what is under way. */
export class Session {
  readonly buffers = new Set<Owned>();
  readonly executables = new Set<Owned>();
  readonly started = new StartedWork();
  private readonly pending = new Set<Promise<unknown>>();
  private closed = false;

  constructor(
    readonly api: PjrtApi,
    readonly client: Pointer,
    readonly devices: readonly Device[],
  ) {}

  /** Throws EngineError if the client is closed. */
  assertOpen(): void {
    if (this.closed) throw closedClient();
  }

  event(pointer: Pointer): PjrtEvent {
    return new PjrtEvent(this.api, pointer);
  }

  /** Work that `close` waits for. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.pending.add(work);
    try {
      return await work;
    } finally {
      this.pending.delete(work);
    }
  }

  /** Refuses new work, finishes what is under way, and disposes everything, the client last. */
  async close(): Promise<void> {
    this.closed = true;
    for (const device of this.devices) device.close();
    while (this.pending.size > 0) await Promise.allSettled(this.pending);
    await this.started.finished();
    for (const owned of [...this.executables, ...this.buffers]) owned.dispose();
    this.api.call('Client_Destroy', { client: this.client });
  }
}
