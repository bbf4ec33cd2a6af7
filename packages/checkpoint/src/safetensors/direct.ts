import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { readFully, writeFully } from './positional';

/** Alignment of direct writes, in the file and in memory: the largest block size of disks. */
const BLOCK = 4096;
/** Bytes per write. */
const SLAB_BYTES = 4 << 20;
/** Number of buffers: enough that the disk always has one to write. */
const WRITES_AT_ONCE = 3;
const WASM_PAGE_BYTES = 64 << 10;

/** A range of bytes in an open file, to be copied unchanged. */
export class FileRange {
  constructor(
    readonly handle: FileHandle,
    /** The file's name, for messages. */
    readonly file: string,
    readonly offset: number,
    readonly byteLength: number,
  ) {}
}

/** The bytes of a range, in pieces that are valid until the next one is requested. */
export async function* readRange({ handle, file, offset, byteLength }: FileRange): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(1 << 20, byteLength));
  for (let done = 0; done < byteLength; done += buffer.length) {
    const piece = buffer.subarray(0, byteLength - done);
    await readFully(handle, file, piece, offset + done);
    yield piece;
  }
}

/** Copies a range through a small buffer; `onPiece` sees the bytes. */
export async function copyRange(
  from: FileRange,
  to: FileHandle,
  position: number,
  onPiece?: (bytes: Uint8Array) => void,
): Promise<void> {
  let at = position;
  for await (const piece of readRange(from)) {
    onPiece?.(piece);
    await writeFully(to, piece, at);
    at += piece.length;
  }
}

/** The required part of a global that TypeScript declares only for browsers. */
declare const WebAssembly: { Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer } };

/**
 * Node has no aligned allocation, but WebAssembly's memory begins at a page. The buffers are reused, because each
 * reserves address space.
 */
const spareSlabs: Uint8Array[] = [];

const takeSlab = (): Uint8Array =>
  spareSlabs.pop() ?? new Uint8Array(new WebAssembly.Memory({ initial: SLAB_BYTES / WASM_PAGE_BYTES }).buffer);

/**
 * A large file being written past the system's cache. Gigabytes that nobody reads soon evict everything else from the
 * cache, and allocating pages for them costs more processor time than the rest of the copying. If the file system does
 * not support it, plain writes are used.
 */
export class DirectOutput {
  private constructor(
    private readonly plain: FileHandle,
    private direct: FileHandle | undefined,
  ) {}

  /**
   * `plain` is the same file, open for writing; it is extended to `fileBytes` first, because appending in parallel is
   * slow.
   */
  static async open(file: string, plain: FileHandle, fileBytes: number): Promise<DirectOutput> {
    await plain.truncate(fileBytes);
    const direct = constants.O_DIRECT
      ? await open(file, constants.O_WRONLY | constants.O_DIRECT).catch(() => undefined)
      : undefined;
    return new DirectOutput(plain, direct);
  }

  /**
   * Writes consecutive pieces from `position` on; the next ones are requested while the last ones are being written.
   */
  async write(pieces: AsyncIterable<Uint8Array | FileRange>, position: number): Promise<void> {
    let slab = takeSlab();
    // The slab has the same offset from a block boundary in memory as in the file.
    let start = position % BLOCK;
    let end = start;
    let slabAt = position - start;
    const underWay = new Set<Promise<void>>();
    let problem: { error: unknown } | undefined;
    const send = (full: Uint8Array, from: number, to: number, at: number): void => {
      const writing = this.writeSlab(full, from, to, at)
        .catch((error: unknown) => {
          problem ??= { error };
        })
        .finally(() => {
          underWay.delete(writing);
          spareSlabs.push(full);
        });
      underWay.add(writing);
    };
    const flush = async (): Promise<void> => {
      send(slab, start, end, slabAt);
      slabAt += end;
      start = end = 0;
      while (underWay.size >= WRITES_AT_ONCE) await Promise.race(underWay);
      slab = takeSlab();
      if (problem) throw problem.error;
    };
    try {
      for await (const piece of pieces) {
        for (let done = 0; done < piece.byteLength;) {
          const length = Math.min(piece.byteLength - done, SLAB_BYTES - end);
          if (piece instanceof FileRange)
            await readFully(piece.handle, piece.file, slab.subarray(end, end + length), piece.offset + done);
          else slab.set(piece.subarray(done, done + length), end);
          done += length;
          end += length;
          if (end === SLAB_BYTES) await flush();
        }
      }
      if (end > start) await flush();
    } finally {
      await Promise.all(underWay);
      spareSlabs.push(slab);
    }
    if (problem) throw problem.error;
  }

  /** To be called before the plain handle is closed. */
  async close(): Promise<void> {
    await this.direct?.close();
  }

  private async writeSlab(slab: Uint8Array, start: number, end: number, at: number): Promise<void> {
    const from = Math.ceil(start / BLOCK) * BLOCK;
    const to = Math.floor(end / BLOCK) * BLOCK;
    const plainly = (low: number, high: number): Promise<void> =>
      writeFully(this.plain, slab.subarray(low, high), at + low);
    if (to <= from || !this.direct) return plainly(start, end);
    // Blocks that a neighbour shares cannot be written directly.
    if (start < from) await plainly(start, from);
    if (to < end) await plainly(to, end);
    try {
      await writeFully(this.direct, slab.subarray(from, to), at + from);
    } catch (error) {
      // Some file systems open such a file and then reject writes.
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      await plainly(from, to);
    }
  }
}
