import { DataError } from '@graft/core';
import { open } from 'node:fs/promises';
import type { DataFile } from './find-files';

/** A document or, of a long one, a part. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Offset of the piece after it. */
  readonly next: number;
  /** Whether the document ends with it. */
  readonly endsDocument: boolean;
}

const NEWLINE = 0x0a;

/** Reads files in pieces from any offset. Keeps one stretch of one file in memory, so that small documents are not reread. */
export class PieceReader {
  private held: { path: string; from: number; bytes: Uint8Array } | undefined;

  constructor(
    /** What stands between documents in a file; undefined: a file is one document. */
    private readonly separator: Uint8Array | undefined,
    /** Longest piece in bytes. */
    private readonly pieceBytes = 1 << 16,
    private readonly stretchBytes = 1 << 19,
  ) {}

  /** The piece that begins at `offset`. A document that is longer than a piece is cut behind its last newline that fits. */
  async read(file: DataFile, offset: number): Promise<Piece> {
    const bytes = await this.bytesAt(file, offset);
    const atEnd = offset + bytes.length >= file.size;
    const separator = this.separator;
    const found = separator ? indexOf(bytes, separator) : -1;
    if (separator && found >= 0)
      return { bytes: bytes.subarray(0, found), next: offset + found + separator.length, endsDocument: true };
    if (atEnd) return { bytes, next: file.size, endsDocument: true };
    // A separator may begin in the last bytes that were read; the cut stays before it.
    const end = cutBefore(bytes, bytes.length - (separator ? separator.length - 1 : 0));
    return { bytes: bytes.subarray(0, end), next: offset + end, endsDocument: false };
  }

  /** Up to `pieceBytes` bytes; fewer only at the end of the file. */
  private async bytesAt(file: DataFile, offset: number): Promise<Uint8Array> {
    const length = Math.min(this.pieceBytes, file.size - offset);
    const { held } = this;
    if (!held || held.path !== file.path || offset < held.from || offset + length > held.from + held.bytes.length) {
      this.held = {
        path: file.path,
        from: offset,
        bytes: await readStretch(file, offset, Math.min(this.stretchBytes, file.size - offset)),
      };
    }
    const { from, bytes } = this.held!;
    return bytes.subarray(offset - from, offset - from + length);
  }
}

async function readStretch(file: DataFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  try {
    const handle = await open(file.path);
    try {
      for (let filled = 0; filled < length;) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) throw new Error(`it has become shorter than the ${file.size} bytes it had`);
        filled += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new DataError(`${file.path} cannot be read: ${(cause as Error).message}.`, {
      code: 'data.unreadable',
      cause,
    });
  }
  return bytes;
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
