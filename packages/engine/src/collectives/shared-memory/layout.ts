/** Words of 4 bytes; counters of different workers are in different cache lines. */
const LINE_WORDS = 16;
const PAGE_BYTES = 4096;
/** Alignment that makes a worker's part of a piece start at a cache line. */
export const GRAIN_BYTES = 64;

/** Pieces of a sum in progress: one is copied in, one is added up, one is copied out. */
export const SUM_SLOTS = 3;
/** Pieces of a transfer in progress: one is written, one is read. */
export const TRANSFER_SLOTS = 2;

/**
 * The layout of the memory that the workers of one machine share: first counters, then a slab for each worker with its
 * pieces of a sum, then a slab for each worker with the data that it sends.
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

  /** Number of words at the start that identify this group's memory. */
  readonly tokenWords = LINE_WORDS;

  /**
   * Other workers write to these: the bell rings when something has changed for the worker, `sleeps` shows whether it
   * sleeps until then.
   */
  bell(rank: number): number {
    return LINE_WORDS * (1 + 2 * rank);
  }
  sleeps(rank: number): number {
    return this.bell(rank) + 1;
  }
  /**
   * The worker itself writes to these: the number of pieces of sums that it has copied in, added up, and copied out,
   * and whether it has left.
   */
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
  /** The sum's size in bytes, in two words. */
  sumSize(rank: number): number {
    return this.contributed(rank) + 4;
  }

  /**
   * Pieces from one worker to another: the number sent, with the transfer's size in bytes in two words; the number
   * received.
   */
  sent(from: number, to: number): number {
    return LINE_WORDS * (1 + 2 * this.count + 2 * (from * this.count + to));
  }
  transferSize(from: number, to: number): number {
    return this.sent(from, to) + 1;
  }
  received(from: number, to: number): number {
    return this.sent(from, to) + LINE_WORDS;
  }

  /** Offsets in bytes from the start. */
  sumSlab(rank: number, slot: number): number {
    return this.headBytes + (rank * SUM_SLOTS + slot) * this.pieceBytes;
  }
  transferSlab(from: number, slot: number): number {
    return this.headBytes + (this.count * SUM_SLOTS + from * TRANSFER_SLOTS + slot) * this.pieceBytes;
  }
}
