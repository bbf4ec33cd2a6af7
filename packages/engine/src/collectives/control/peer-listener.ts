import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { isWrongProof, serverOptions } from './psk';

/** Connections at a time of whom nobody knows yet who they are. */
export const MOST_STRANGERS = 64;
/** How long one may take. */
export const STRANGER_MS = 5000;

interface Stranger {
  readonly socket: Socket;
  readonly host: string;
  readonly timer: NodeJS.Timeout;
}

export interface DoorOptions {
  readonly key: Uint8Array;
  readonly port: number;
  /** Undefined: every interface. */
  readonly host: string | undefined;
  readonly strangerMs?: number;
  /** The port cannot be opened. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
  /** Somebody has proved to have the key. It has to be admitted soon, else it is shut out. */
  readonly onOpen: (socket: TLSSocket, admit: () => void) => void;
}

/**
 * Lets connections in that prove to have the group's key. Others cost a bounded number of sockets for a bounded time, and their
 * bytes go nowhere but into TLS: nothing that they send is read by Graft.
 */
export class Door {
  /** Connections that came with another key, and where the last one came from. */
  wrongKeys = 0;
  wrongKeyFrom: string | undefined;
  private readonly server: Server;
  private readonly strangerMs: number;
  /** By the address and port that they come from, the oldest first. */
  private readonly strangers = new Map<string, Stranger>();

  constructor({ key, port, host, strangerMs = STRANGER_MS, onError, onOpen }: DoorOptions) {
    this.strangerMs = strangerMs;
    this.server = createServer(serverOptions(key));
    this.server.on('error', onError);
    this.server.on('connection', (socket) => this.count(socket));
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (!isWrongProof(error.code)) return;
      this.wrongKeys++;
      this.wrongKeyFrom = socket.remoteAddress ?? this.wrongKeyFrom;
    });
    this.server.on('secureConnection', (socket) => {
      const origin = originOf(socket);
      if (!this.strangers.has(origin)) return void socket.destroy();
      onOpen(socket, () => this.forget(origin));
    });
    this.server.listen(port, host);
  }

  close(): void {
    this.server.close();
    for (const [origin, { socket }] of this.strangers) {
      this.forget(origin);
      socket.destroy();
    }
  }

  private count(socket: Socket): void {
    const origin = originOf(socket);
    const timer = setTimeout(() => socket.destroy(), this.strangerMs);
    this.strangers.set(origin, { socket, host: socket.remoteAddress ?? '', timer });
    // A connection that breaks is what a stranger's may do.
    socket.on('error', () => undefined);
    socket.on('close', () => this.forget(origin));
    if (this.strangers.size > MOST_STRANGERS) this.dropOne();
  }

  /** The oldest of the host that has most of them: whoever floods shuts out itself first. */
  private dropOne(): void {
    const counts = new Map<string, number>();
    for (const { host } of this.strangers.values()) counts.set(host, (counts.get(host) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const [origin, { socket }] = [...this.strangers].find(([, { host }]) => counts.get(host) === most)!;
    this.forget(origin);
    socket.destroy();
  }

  private forget(origin: string): void {
    clearTimeout(this.strangers.get(origin)?.timer);
    this.strangers.delete(origin);
  }
}

/** Of all connections that are open at a time, one alone comes from an address and port. */
const originOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
