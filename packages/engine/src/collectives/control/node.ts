import type { Message } from '../types';
import { MOST_VALUE_BYTES } from './parse-message';
import type { Command, ControlEvent, ControlOptions, Failure } from './messages';

export const HEARTBEAT_MS = 2000;
export const SILENCE_MS = 15_000;

/** One worker's end of the channel on which workers meet, agree and notice each other's end. */
export abstract class ControlNode {
  protected ended = false;
  private closing: Promise<unknown> = Promise.resolve();
  private readonly heartbeat: NodeJS.Timeout;

  protected constructor(
    protected readonly options: ControlOptions,
    protected readonly emit: (event: ControlEvent) => void,
  ) {
    this.heartbeat = setInterval(
      () => this.sendHeartbeat(options.silenceMs ?? SILENCE_MS),
      options.heartbeatMs ?? HEARTBEAT_MS,
    );
  }

  handle(command: Command): void {
    switch (command.command) {
      case 'exchange':
        if (!this.ended) this.offer(command.id, command.value);
        return;
      case 'fail':
        if (!this.ended) {
          this.sendFailure(command.reason);
          this.end();
        }
        return this.closed();
      case 'leave':
        if (!this.ended) {
          this.sendGoodbye();
          this.end();
        }
        return this.closed();
      case 'noticed':
        return;
    }
  }

  /** A line that the others would reject ends this worker, and the group, with a sentence that explains why. */
  private offer(id: number, value: Message): void {
    const bytes = Buffer.byteLength(JSON.stringify(value));
    if (bytes <= MOST_VALUE_BYTES) return this.exchange(id, value);
    const reason = `it wants to exchange ${bytes} bytes at once; ${MOST_VALUE_BYTES} are the most.`;
    this.sendFailure(reason);
    this.lose(stoppedWith(this.name(this.options.rank), reason));
  }

  protected abstract sendHeartbeat(silenceMs: number): void;
  protected abstract exchange(id: number, value: Message): void;
  protected abstract sendFailure(reason: string): void;
  protected abstract sendGoodbye(): void;
  /** Closes what is open; resolves once all messages have been handed to the system. */
  protected abstract close(): Promise<unknown>;

  protected name(rank: number): string {
    return `Worker ${rank} (${this.options.workers[rank]})`;
  }

  /** Ends the group for this worker, and notifies the program. */
  protected lose(failure: Failure): void {
    if (this.ended) return;
    this.end();
    this.emit({ event: 'lost', failure });
  }

  protected hasTimedOut(lastReceivedAt: number, silenceMs: number): boolean {
    return performance.now() - lastReceivedAt > silenceMs;
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
    message: `${name} was lost: its process has ended${reason ? ` (${reason})` : ''}.`,
    code: 'workers.gone',
    hint: RESUME,
  };
}

export function silent(name: string, silenceMs: number): Failure {
  return {
    message: `${name} was lost: nothing was heard from it for ${Math.round(silenceMs / 1000)} s.`,
    code: 'workers.gone',
    hint: RESUME,
  };
}

export function invalidMessage(name: string, problem: string): Failure {
  return {
    message: `${name} sent ${problem}.`,
    code: 'workers.message',
    hint: 'It knows the secret of the group; see that it runs Graft, of the same version.',
  };
}

export function stoppedWith(name: string, reason: string): Failure {
  return { message: `${name} stopped with an error: ${reason}`, code: 'workers.failed' };
}

export function leftEarly(name: string): Failure {
  return { message: `${name} has ended before the others.`, code: 'workers.left' };
}

const RESUME = 'A run continues from its last checkpoint with --resume, with any number of workers.';
