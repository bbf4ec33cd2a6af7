import type { Message } from '../types';

/** Why a group has ended, as it travels: a WorkersError in plain. */
export interface Failure {
  readonly message: string;
  readonly code: string;
  readonly hint?: string;
  readonly exitCode?: 1 | 2;
}

/** What must be equal in all workers of a group, by name. */
export type Versions = Readonly<Record<string, string>>;

/** Between workers, over TLS: one JSON object a line, which `parseMessage` checks field by field. Everybody talks to worker 0, which passes on what concerns all. */
export type WireMessage =
  | {
      readonly t: 'hello';
      readonly rank: number;
      readonly workers: readonly string[];
      readonly versions: Versions;
      readonly dataPort: number;
    }
  | { readonly t: 'welcome'; readonly dataPorts: readonly number[] }
  | { readonly t: 'alive' }
  | { readonly t: 'value'; readonly id: number; readonly value: Message }
  | { readonly t: 'values'; readonly id: number; readonly values: readonly Message[] }
  /** The sender cannot go on. */
  | { readonly t: 'fail'; readonly reason: string }
  /** The group has ended. */
  | { readonly t: 'lost'; readonly failure: Failure }
  | { readonly t: 'leave' };

/** From the program to the node. */
export type Command =
  | { readonly command: 'exchange'; readonly id: number; readonly value: Message }
  | { readonly command: 'fail'; readonly reason: string }
  | { readonly command: 'leave' }
  /** The program knows that the group has ended. */
  | { readonly command: 'noticed' };

/** From the node to the program. */
export type ControlEvent =
  | { readonly event: 'joined'; readonly dataPorts: readonly number[] }
  | { readonly event: 'values'; readonly id: number; readonly values: readonly Message[] }
  | { readonly event: 'lost'; readonly failure: Failure }
  | { readonly event: 'closed' };

export interface ControlOptions {
  readonly workers: readonly string[];
  readonly rank: number;
  readonly versions: Versions;
  /** What proves that a worker belongs to the group: 32 bytes, of `controlKey`. */
  readonly key: Uint8Array;
  /** The port at which this worker's tensors arrive; 0 where they need none. */
  readonly dataPort: number;
  readonly timeoutMs: number;
  /** Between signs of life. Default 2 s. */
  readonly heartbeatMs?: number;
  /** How long a connection may take to prove that it has the key and to say which worker it is. Default 5 s. */
  readonly handshakeTimeoutMs?: number;
  /** A worker of whom nothing was heard for so long is given up. Default 15 s. */
  readonly silenceMs?: number;
}
