import type { Socket } from 'node:net';
import type { WireMessage } from './messages';

/** Of a stranger: who has not said who it is may not fill the memory. */
const MOST_BEFORE_HELLO = 1 << 20;

const FAREWELL_MS = 1000;

/** A connection of which each line is a message. */
export class LineSocket {
  /** When something last arrived, in `performance.now()`'s milliseconds. */
  heardAt = performance.now();
  /** Whether the other side is known; until then its lines may not be long. */
  trusted = false;
  private parts: string[] = [];
  private length = 0;
  private over = false;

  /** `onClose` is called once, with the system's reason if there is one; not after `close`. */
  constructor(
    private readonly socket: Socket,
    private readonly onMessage: (message: WireMessage) => void,
    private readonly onClose: (reason?: string) => void,
  ) {
    let reason: string | undefined;
    socket.setNoDelay(true);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.take(text));
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

  /** Resolves when what was sent is on its way. */
  async close(): Promise<void> {
    if (this.over) return;
    this.over = true;
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.end(() => resolve());
      // Whoever takes no farewell does not keep the process.
      setTimeout(() => (this.socket.destroy(), resolve()), FAREWELL_MS).unref();
    });
  }

  private take(text: string): void {
    this.heardAt = performance.now();
    const lines = text.split('\n');
    const last = lines.pop()!;
    for (const line of lines) {
      if (this.over) return;
      const whole = this.parts.join('') + line;
      this.parts = [];
      this.length = 0;
      let message: WireMessage;
      try {
        message = JSON.parse(whole) as WireMessage;
        if (typeof message !== 'object' || message === null) throw new Error('no object');
      } catch {
        // Another program, which took the port for something else.
        this.socket.destroy();
        return;
      }
      this.onMessage(message);
    }
    this.parts.push(last);
    this.length += last.length;
    if (!this.trusted && this.length > MOST_BEFORE_HELLO) this.socket.destroy();
  }
}
