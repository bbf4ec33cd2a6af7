import { systemFunction } from '../../../foreign/library';
import type { Pointer } from '../../../foreign/memory';

/** Smaller tensors do not affect the time of a computation. */
const LEAST_BYTES = 1 << 18;
const PAGE_BYTES = 4096n;
const MADV_HUGEPAGE = 14;
/**
 * Larger blocks are not allocated from the heap, and a heap with much more free memory than this returns it to the
 * system.
 */
const BLOCK_BYTES = 1 << 29;
const RESERVE_BYTES = 1 << 30;

type Madvise = (start: bigint, bytes: bigint, advice: number) => number;
type ProgramBreak = (bytes: number) => bigint | number;

/** malloc and free. */
export interface Allocator {
  /** 0: no memory is left. */
  allocate(bytes: number): bigint | number;
  free(start: bigint): void;
}

/**
 * Asks the kernel to back memory that is about to be written with pages of 2 MiB, which need fewer address
 * translations: reading all weights for every generated token is some 8 % faster. Pages that were written before do not
 * change, so the advice must come between the allocation and the first write.
 */
export class LargePages {
  /** The part of malloc's heap that has been advised. */
  private heap: { readonly start: bigint; readonly end: bigint } | undefined;

  constructor(
    private readonly madvise: Madvise | undefined,
    private readonly sbrk: ProgramBreak | undefined,
    private readonly allocator?: Allocator,
  ) {}

  static ofSystem(): LargePages {
    return new LargePages(
      systemFunction<Madvise>('int madvise(uintptr_t, size_t, int)'),
      systemFunction<ProgramBreak>('uintptr_t sbrk(intptr_t)'),
      systemAllocator(),
    );
  }

  /**
   * Advises memory for this many bytes (at most 1 GiB) that other code will allocate next: malloc hands it out again.
   */
  reserve(bytes: number): void {
    if (!this.allocator) return;
    const blocks: bigint[] = [];
    for (let left = Math.min(bytes, RESERVE_BYTES); left > 0; left -= BLOCK_BYTES) {
      const size = Math.min(left, BLOCK_BYTES);
      const start = BigInt(this.allocator.allocate(size));
      if (start === 0n) break;
      this.prepare(start, size);
      blocks.push(start);
    }
    for (const start of blocks) this.allocator.free(start);
  }

  prepare(start: Pointer, bytes: number): void {
    if (bytes < LEAST_BYTES || !this.madvise || !this.sbrk) return;
    const end = start + BigInt(bytes);
    const heapEnd = BigInt(this.sbrk(0));
    // Memory that the heap has returned since then has lost its advice.
    if (this.heap && this.heap.end > heapEnd) this.heap = { start: this.heap.start, end: heapEnd };
    const { heap } = this;
    const known = heap && start >= heap.start ? heap : undefined;
    if (known && end <= known.end) return;
    // Separate blocks (mmap) are far behind the heap.
    if (end > heapEnd) return this.advise(start, end);
    // Including everything after it: a page of 2 MiB contains several small tensors.
    this.advise(known ? known.end : start, heapEnd);
    this.heap = { start: known ? known.start : start, end: heapEnd };
  }

  private advise(from: bigint, to: bigint): void {
    const start = from - (from % PAGE_BYTES);
    const end = to - (to % PAGE_BYTES);
    if (end > start) this.madvise!(start, end - start, MADV_HUGEPAGE);
  }
}

function systemAllocator(): Allocator | undefined {
  const allocate = systemFunction<Allocator['allocate']>('uintptr_t malloc(size_t)');
  const free = systemFunction<Allocator['free']>('void free(uintptr_t)');
  return allocate && free && { allocate, free };
}
