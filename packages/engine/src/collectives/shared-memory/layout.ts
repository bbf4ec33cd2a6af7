/** Words of 4 bytes; counters of different workers lie in different cache lines. */
const LINE_WORDS = 16;
const PAGE_BYTES = 4096;
/** So that a worker's part of a piece begins at a cache line. */
export const GRAIN_BYTES = 64;

/** Pieces of a sum under way: one is copied in, one is added up, one is copied out. */
export const SUM_SLOTS = 3;
/** Pieces of a transfer under way: one is written, one is read. */
export const TRANSFER_SLOTS = 2;

/**
 * Where things lie in the memory that the workers of one machine share: counters first, then a slab for each worker, in which
 * its pieces of a sum are, then a slab for each worker, in which what it sends is.
 */
export class Layout {
  readonly pieceBytes: number;
  readonly headBytes: number;
  readonly bytes: number;

  constructor(
    readonly count: number,
    pieceBytes: number,
  ) {
    this.pieceBytes = Math.max(1, Math.ceil(pieceBytes / GRAIN_BYTES)) * GRAIN_BYTES;
    const words = LINE_WORDS * (1 + 2 * count + 2 * count * count);
    this.headBytes = Math.ceil((4 * words) / PAGE_BYTES) * PAGE_BYTES;
    this.bytes = this.headBytes + count * (SUM_SLOTS + TRANSFER_SLOTS) * this.pieceBytes;
  }

  /** What shows that it is this group's memory: this many words from the beginning on. */
  readonly tokenWords = LINE_WORDS;

  /** Others write to these: rung when something has changed for the worker, and whether it sleeps until then. */
  bell(rank: number): number {
    return LINE_WORDS * (1 + 2 * rank);
  }
  sleeps(rank: number): number {
    return this.bell(rank) + 1;
  }
  /** The worker itself writes to these. Pieces of sums that it has copied in, added up, and copied out; and whether it has left. */
  contributed(rank: number): number {
    return LINE_WORDS * (2 + 2 * rank);
  }
  added(rank: number): number {
    return this.contributed(rank) + 1;
  }
  taken(rank: number): number {
    return this.contributed(rank) + 2;
  }
  left(rank: number): number {
    return this.contributed(rank) + 3;
  }
  /** The sum's bytes, in two words. */
  sumSize(rank: number): number {
    return this.contributed(rank) + 4;
  }

  /** Pieces on their way from one worker to another: sent, and the transfer's bytes in two words; received. */
  sent(from: number, to: number): number {
    return LINE_WORDS * (1 + 2 * this.count + 2 * (from * this.count + to));
  }
  transferSize(from: number, to: number): number {
    return this.sent(from, to) + 1;
  }
  received(from: number, to: number): number {
    return this.sent(from, to) + LINE_WORDS;
  }

  /** Bytes from the beginning. */
  sumSlab(rank: number, slot: number): number {
    return this.headBytes + (rank * SUM_SLOTS + slot) * this.pieceBytes;
  }
  transferSlab(from: number, slot: number): number {
    return this.headBytes + (this.count * SUM_SLOTS + from * TRANSFER_SLOTS + slot) * this.pieceBytes;
  }
}
