/** Named random streams split from one seed. Placeholder for the real file: see RandomStream's contract. */
export interface RandomStream {
  readonly name: string;
  /** A stream of its own for that name or index; the same arguments give the same stream, whatever was drawn before. */
  fork(name: string | number): RandomStream;
  /** Two int32 words: the key for the engine's stateless random operations. */
  key(): [number, number];
  /** Next uniform number in [0, 1), 53 bits. */
  uniform(): number;
  /** Next integer in [0, bound). */
  integer(bound: number): number;
  /** Next normal number. */
  normal(): number;
  /** A permutation of 0..length-1. */
  permutation(length: number): Int32Array;
}
