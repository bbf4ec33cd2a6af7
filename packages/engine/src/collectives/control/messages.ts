import type { Message } from '../types';

/** Why a group has ended, in serializable form: a WorkersError as a plain object. */
export interface Failure {
  readonly message: string;
  readonly code: string;
  readonly hint?: string;
  readonly exitCode?: 1 | 2;
}

/** Versions and settings that must be equal in all workers of a group, by name. */
export type Versions = Readonly<Record<string, string>>;

/**
 * Between workers, over TLS: one JSON object a line, which `parseMessage` checks field by field. Every worker talks to
 * worker 0, which forwards what concerns all.
 */
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
  /** The sender cannot continue. */
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
  /** Proves that a worker belongs to the group: 32 bytes, from `controlKey`. */
  readonly key: Uint8Array;
  /** The port that receives this worker's tensors; 0 if they need none. */
  readonly dataPort: number;
  readonly timeoutMs: number;
  /** Time between heartbeats. Default 2 s. */
  readonly heartbeatMs?: number;
  /** How long a connection may take to prove that it has the key and to identify its worker. Default 5 s. */
  readonly handshakeTimeoutMs?: number;
  /** A worker that has been silent for this long counts as lost. Default 15 s. */
  readonly silenceMs?: number;
}
