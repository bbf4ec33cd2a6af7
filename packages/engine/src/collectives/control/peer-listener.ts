import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { isWrongProof, serverOptions } from './psk';

/** Maximum number of connections that have not identified themselves yet. */
export const MOST_UNKNOWN_PEERS = 64;
/** How long a connection may take to identify itself. */
export const HANDSHAKE_TIMEOUT_MS = 5000;

interface UnknownPeer {
  readonly socket: Socket;
  readonly host: string;
  readonly timer: NodeJS.Timeout;
}

export interface PeerListenerOptions {
  readonly key: Uint8Array;
  readonly port: number;
  /** Undefined: every interface. */
  readonly host: string | undefined;
  readonly handshakeTimeoutMs?: number;
  /** The port cannot be opened. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
  /** A peer has proved that it has the key. Call `admit` soon, or the listener closes the connection. */
  readonly onOpen: (socket: TLSSocket, admit: () => void) => void;
}

/**
 * Accepts connections that prove to have the group's key. Others cost a bounded number of sockets for a bounded time,
 * and their bytes reach only TLS: Graft reads nothing that they send.
 */
export class PeerListener {
  /** Number of connections with another key, and the address of the last one. */
  wrongKeys = 0;
  wrongKeyFrom: string | undefined;
  private readonly server: Server;
  private readonly handshakeTimeoutMs: number;
  /** By their remote address and port, the oldest first. */
  private readonly unknownPeers = new Map<string, UnknownPeer>();

  constructor({ key, port, host, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS, onError, onOpen }: PeerListenerOptions) {
    this.handshakeTimeoutMs = handshakeTimeoutMs;
    this.server = createServer(serverOptions(key));
    this.server.on('error', onError);
    this.server.on('connection', (socket) => this.trackPeer(socket));
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (!isWrongProof(error.code)) return;
      this.wrongKeys++;
      this.wrongKeyFrom = socket.remoteAddress ?? this.wrongKeyFrom;
    });
    this.server.on('secureConnection', (socket) => {
      const origin = originOf(socket);
      if (!this.unknownPeers.has(origin)) return void socket.destroy();
      onOpen(socket, () => this.forget(origin));
    });
    this.server.listen(port, host);
  }

  close(): void {
    this.server.close();
    for (const [origin, { socket }] of this.unknownPeers) {
      this.forget(origin);
      socket.destroy();
    }
  }

  private trackPeer(socket: Socket): void {
    const origin = originOf(socket);
    const timer = setTimeout(() => socket.destroy(), this.handshakeTimeoutMs);
    this.unknownPeers.set(origin, { socket, host: socket.remoteAddress ?? '', timer });
    // An unknown peer may well break its connection.
    socket.on('error', () => undefined);
    socket.on('close', () => this.forget(origin));
    if (this.unknownPeers.size > MOST_UNKNOWN_PEERS) this.dropOldestOfBusiestHost();
  }

  /**
   * Drops the oldest connection of the host that has most of them: a host that floods the port shuts itself out first.
   */
  private dropOldestOfBusiestHost(): void {
    const counts = new Map<string, number>();
    for (const { host } of this.unknownPeers.values()) counts.set(host, (counts.get(host) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const [origin, { socket }] = [...this.unknownPeers].find(([, { host }]) => counts.get(host) === most)!;
    this.forget(origin);
    socket.destroy();
  }

  private forget(origin: string): void {
    clearTimeout(this.unknownPeers.get(origin)?.timer);
    this.unknownPeers.delete(origin);
  }
}

/** Unique among open connections: no two of them have the same remote address and port. */
const originOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
