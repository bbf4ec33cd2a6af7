import { fillNormal, next } from './ziggurat';

/** A source of random numbers on the host, with a name and a place in a tree of streams. */
export interface RandomStream {
  readonly name: string;
  /** A separate stream for that name or index; the same arguments give the same stream, whatever was drawn before. */
  fork(name: string | number): RandomStream;
  /** This stream as it was before anything was drawn from it. */
  restarted(): RandomStream;
  /** Two int32 words: the key for the engine's stateless random operations. */
  key(): [number, number];
  /** Next uniform number in [0, 1), 53 bits. */
  uniform(): number;
  /** Next integer in [0, bound). */
  integer(bound: number): number;
  /** Next normal number. */
  normal(): number;
  /**
   * Fills `target` with normal numbers of that standard deviation: faster than single draws, with different numbers.
   */
  fillNormal(target: Float32Array, standardDeviation: number): void;
  /** A permutation of 0..length-1. */
  permutation(length: number): Int32Array;
}

/** Names of the streams into which a run splits its seed. */
export const STREAMS = {
  data: 'data',
  init: 'init',
  dropout: 'dropout',
  sampling: 'sampling',
  rounding: 'rounding',
} as const;

/** FNV-1a of a text from a basis: a signed 32-bit number. */
export function fnv1a(text: string, basis: number): number {
  let state = basis | 0;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state;
}

/** Mixes a text into a 32-bit state (FNV-1a with a final avalanche). */
function hash(text: string, basis: number): number {
  let state = fnv1a(text, basis);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

const ESCAPES: Readonly<Record<string, string>> = { '%': '%25', '/': '%2F', '#': '%23' };

/** xoshiro128** (Blackman and Vigna, 2018), seeded from the stream's path: forks share no state with their parent. */
class Stream implements RandomStream {
  private readonly state: Uint32Array;

  constructor(readonly name: string) {
    this.state = Uint32Array.from([0x811c9dc5, 0x9e3779b9, 0x7f4a7c15, 0x2545f491], (basis) => hash(name, basis));
    if (this.state.every((word) => word === 0)) this.state[0] = 1;
  }

  fork(name: string | number): RandomStream {
    // Escaped, so that no name looks like an index or like a path of several names.
    const step = typeof name === 'number' ? `#${name}` : name.replace(/[%/]|^#/g, (found) => ESCAPES[found]);
    return new Stream(`${this.name}/${step}`);
  }

  restarted(): RandomStream {
    return new Stream(this.name);
  }

  key(): [number, number] {
    return [hash(this.name, 0x1b873593) | 0, hash(this.name, 0xe6546b64) | 0];
  }

  uniform(): number {
    return ((this.next() >>> 5) * 0x4000000 + (this.next() >>> 6)) / 0x20000000000000;
  }

  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  fillNormal(target: Float32Array, standardDeviation: number): void {
    fillNormal(target, standardDeviation, this.state);
  }

  permutation(length: number): Int32Array {
    const order = Int32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  private next(): number {
    return next(this.state);
  }
}

/** The root stream of a seed; a run forks `STREAMS` from it. */
export function createRandom(seed: number): RandomStream {
  return new Stream(`seed ${seed}`);
}

/** The stream of that full name, for another thread. */
export function streamNamed(name: string): RandomStream {
  return new Stream(name);
}
