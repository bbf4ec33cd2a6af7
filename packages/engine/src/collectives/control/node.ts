import type { Command, ControlEvent, ControlOptions, Failure } from './messages';

export const HEARTBEAT_MS = 2000;
export const SILENCE_MS = 15_000;

/** One worker's end of the channel by which workers meet, agree and notice each other's end. */
export abstract class ControlNode {
  protected ended = false;
  private closing: Promise<unknown> = Promise.resolve();
  private readonly heartbeat: NodeJS.Timeout;

  protected constructor(
    protected readonly options: ControlOptions,
    protected readonly emit: (event: ControlEvent) => void,
  ) {
    this.heartbeat = setInterval(() => this.beat(options.silenceMs ?? SILENCE_MS), options.heartbeatMs ?? HEARTBEAT_MS);
  }

  handle(command: Command): void {
    switch (command.command) {
      case 'exchange':
        if (!this.ended) this.exchange(command.id, command.value);
        return;
      case 'fail':
        if (!this.ended) {
          this.tellFailure(command.reason);
          this.end();
        }
        return this.closed();
      case 'leave':
        if (!this.ended) {
          this.tellLeaving();
          this.end();
        }
        return this.closed();
      case 'noticed':
        return;
    }
  }

  protected abstract beat(silenceMs: number): void;
  protected abstract exchange(id: number, value: Extract<Command, { command: 'exchange' }>['value']): void;
  protected abstract tellFailure(reason: string): void;
  protected abstract tellLeaving(): void;
  /** Closes what is open; resolves when what was said is on its way. */
  protected abstract close(): Promise<unknown>;

  protected name(rank: number): string {
    return `Worker ${rank} (${this.options.workers[rank]})`;
  }

  /** The group has ended for this worker; the program is told. */
  protected lose(failure: Failure): void {
    if (this.ended) return;
    this.end();
    this.emit({ event: 'lost', failure });
  }

  protected isSilent(heardAt: number, silenceMs: number): boolean {
    return performance.now() - heardAt > silenceMs;
  }

  private end(): void {
    this.ended = true;
    clearInterval(this.heartbeat);
    this.closing = this.close();
  }

  private closed(): void {
    void this.closing.then(() => this.emit({ event: 'closed' }));
  }
}

export function gone(name: string, reason?: string): Failure {
  return {
    message: `${name} is gone: its process has ended${reason ? ` (${reason})` : ''}.`,
    code: 'workers.gone',
    hint: RESUME,
  };
}

export function silent(name: string, silenceMs: number): Failure {
  return {
    message: `${name} is gone: nothing was heard of it for ${Math.round(silenceMs / 1000)} s.`,
    code: 'workers.gone',
    hint: RESUME,
  };
}

export function stoppedWith(name: string, reason: string): Failure {
  return { message: `${name} stopped with an error: ${reason}`, code: 'workers.failed' };
}

export function leftEarly(name: string): Failure {
  return { message: `${name} has ended before the others.`, code: 'workers.left' };
}

const RESUME = 'A run goes on from its last checkpoint with --resume, with any number of workers.';
