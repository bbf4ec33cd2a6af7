import type { Socket } from 'node:net';
import { parseMessage } from './parse-message';
import type { WireMessage } from './messages';

const GOODBYE_MS = 1000;
const NEWLINE = 0x0a;

/**
 * A connection with one message per line. The other side has proved its identity, but its lines may still be invalid.
 */
export class LineSocket {
  /** Time of the last received bytes, in `performance.now()`'s milliseconds. */
  lastReceivedAt = performance.now();
  private parts: Buffer[] = [];
  private length = 0;
  private over = false;

  /**
   * `mostBytes`: maximum length of a received line. Calls `onClose` once, with the system's reason if there is one, but
   * not after `close`. Calls `onInvalidMessage` once, for a line that is not a message, and then reads nothing more.
   */
  constructor(
    private readonly socket: Socket,
    public mostBytes: number,
    private readonly onMessage: (message: WireMessage) => void,
    private readonly onClose: (reason?: string) => void,
    private readonly onInvalidMessage: (problem: string) => void,
  ) {
    let reason: string | undefined;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? error.message));
    socket.on('close', () => {
      if (this.over) return;
      this.over = true;
      this.onClose(reason);
    });
  }

  send(message: WireMessage): void {
    if (!this.over && this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Resolves once everything has been handed to the system. */
  async close(): Promise<void> {
    if (this.over) return;
    this.over = true;
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.end(() => resolve());
      // A peer that never closes its end must not keep the process alive.
      setTimeout(() => (this.socket.destroy(), resolve()), GOODBYE_MS).unref();
    });
  }

  private receive(bytes: Buffer): void {
    this.lastReceivedAt = performance.now();
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0 && !this.over; at = bytes.indexOf(NEWLINE, from)) {
      if (!this.append(bytes.subarray(from, at))) return;
      from = at + 1;
      const line = Buffer.concat(this.parts);
      this.parts = [];
      this.length = 0;
      const message = parseMessage(line);
      if (typeof message === 'string') return this.reject(message);
      this.onMessage(message);
    }
    if (!this.over) this.append(bytes.subarray(from));
  }

  /** Returns false if the line gets too long. */
  private append(part: Buffer): boolean {
    this.length += part.length;
    if (this.length > this.mostBytes) {
      this.reject(`a line of more than ${this.mostBytes} bytes`);
      return false;
    }
    if (part.length > 0) this.parts.push(part);
    return true;
  }

  private reject(problem: string): void {
    if (this.over) return;
    this.over = true;
    this.parts = [];
    this.socket.destroy();
    this.onInvalidMessage(problem);
  }
}
