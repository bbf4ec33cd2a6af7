import { FileBytes } from './file-bytes';
import type { DataFile } from './find-files';

/** A document or, of a long one, a part. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Offset of the piece after it. */
  readonly next: number;
  /** Whether the document ends with it. */
  readonly endsDocument: boolean;
  readonly endsFile: boolean;
}

const NEWLINE = 0x0a;

/** Reads files, plain or gzip, in pieces from any offset. Keeps one stretch of one file in memory, so that small documents are not reread. */
export class PieceReader {
  private held: { path: string; from: number; bytes: Uint8Array; atEnd: boolean } | undefined;
  private readonly files = new FileBytes();

  constructor(
    /** What stands between documents in a file; undefined: a file is one document. */
    private readonly separator: Uint8Array | undefined,
    /** Longest piece in bytes. */
    private readonly pieceBytes = 1 << 16,
    private readonly stretchBytes = 1 << 19,
  ) {}

  /** The piece that begins at `offset`. A document that is longer than a piece is cut behind its last newline that fits. */
  async read(file: DataFile, offset: number): Promise<Piece> {
    const { bytes, atEnd } = await this.bytesAt(file, offset);
    const separator = this.separator;
    const found = separator ? indexOf(bytes, separator) : -1;
    if (separator && found >= 0) {
      const end = found + separator.length;
      return {
        bytes: bytes.subarray(0, found),
        next: offset + end,
        endsDocument: true,
        endsFile: atEnd && end === bytes.length,
      };
    }
    if (atEnd) return { bytes, next: offset + bytes.length, endsDocument: true, endsFile: true };
    // A separator may begin in the last bytes that were read; the cut stays before it.
    const end = cutBefore(bytes, bytes.length - (separator ? separator.length - 1 : 0));
    return { bytes: bytes.subarray(0, end), next: offset + end, endsDocument: false, endsFile: false };
  }

  dispose(): void {
    this.files.dispose();
  }

  /** `pieceBytes` bytes; fewer only at the end of the file. */
  private async bytesAt(file: DataFile, offset: number): Promise<{ bytes: Uint8Array; atEnd: boolean }> {
    const { held, pieceBytes } = this;
    const from = held ? offset - held.from : 0;
    const enough = held && (held.atEnd || from + pieceBytes <= held.bytes.length);
    if (!held || held.path !== file.path || from < 0 || from > held.bytes.length || !enough) {
      // What is held already of a gzip file would have to be inflated again from the start.
      const rest = held?.path === file.path && from >= 0 && from < held.bytes.length ? held.bytes.slice(from) : NOTHING;
      const wanted = Math.max(this.stretchBytes, pieceBytes) - rest.length;
      const read = await this.files.read(file, offset + rest.length, wanted);
      this.held = { path: file.path, from: offset, bytes: join(rest, read.bytes), atEnd: read.atEnd };
    }
    const { from: start, bytes, atEnd } = this.held!;
    const begin = offset - start;
    const end = Math.min(begin + pieceBytes, bytes.length);
    return { bytes: bytes.subarray(begin, end), atEnd: atEnd && end === bytes.length };
  }
}

const NOTHING = new Uint8Array(0);

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.length === 0 ? b : Buffer.concat([a, b]);
}

function indexOf(bytes: Uint8Array, separator: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(separator);
}

/** Where to cut at or before `limit`: behind the last newline, else between two characters of UTF-8. */
function cutBefore(bytes: Uint8Array, limit: number): number {
  const newline = bytes.lastIndexOf(NEWLINE, limit - 1);
  if (newline >= 0) return newline + 1;
  // The byte behind the last one read is not known; it may go on with a character.
  let end = Math.min(limit, bytes.length - 1);
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return end > 0 ? end : limit;
}
