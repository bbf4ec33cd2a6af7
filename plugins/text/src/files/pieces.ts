import { DataError } from '@graft/core';
import { FileBytes } from './file-bytes';
import type { DataFile } from './find-files';

/** A document, or a part of a long one. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Offset of the piece after it. */
  readonly next: number;
  /** Whether the document ends with it. */
  readonly endsDocument: boolean;
  readonly endsFile: boolean;
}

/** Whether a text may be encoded in two parts between these two characters, see `Tokenizer.separates`. */
export type Separates = (before: string, after: string) => boolean;

export interface PieceOptions {
  /** The separator of documents in a file; undefined: a file is one document. */
  readonly separator?: Uint8Array;
  /** Where documents may be cut; undefined: nowhere. */
  readonly separates?: Separates;
  /** Most bytes of a piece, if a document may be cut within them. */
  readonly pieceBytes?: number;
  readonly stretchBytes?: number;
  /** This many bytes without a place to cut are an error. */
  readonly longestBytes?: number;
}

const NEWLINE = 0x0a;
/** A character of UTF-8 has at most this many bytes. */
const CHARACTER_BYTES = 4;

/**
 * Reads files, plain or gzip, in pieces from any offset. Keeps one stretch of one file in memory, so that small
 * documents are not read again.
 */
export class PieceReader {
  private held: { path: string; from: number; bytes: Uint8Array; atEnd: boolean } | undefined;
  private readonly files = new FileBytes();
  private readonly separator: Uint8Array | undefined;
  private readonly separates: Separates | undefined;
  private readonly pieceBytes: number;
  private readonly stretchBytes: number;
  private readonly longestBytes: number;

  constructor(options: PieceOptions = {}) {
    this.separator = options.separator;
    this.separates = options.separates && remembered(options.separates);
    this.pieceBytes = options.pieceBytes ?? 1 << 16;
    this.stretchBytes = options.stretchBytes ?? 1 << 19;
    this.longestBytes = options.longestBytes ?? 1 << 26;
  }

  /**
   * The piece that begins at `offset`. A document that is longer than `pieceBytes` is cut where its parts can be
   * encoded separately: after its last newline that fits, otherwise at the last such place, otherwise, beyond
   * `pieceBytes`, in the first stretch that has one. Throws DataError for a document without such a place for very
   * long.
   */
  async read(file: DataFile, offset: number): Promise<Piece> {
    let seen = 0;
    for (let length = this.pieceBytes; ; length *= 2) {
      const { bytes, atEnd } = await this.bytesAt(file, offset, length);
      const whole = this.documentIn(bytes.subarray(0, length), offset, atEnd && bytes.length <= length);
      if (whole) return whole;
      // A separator may begin in the last bytes that were read, so the cut is before it.
      const limit = Math.min(length, bytes.length) - (this.separator ? this.separator.length - 1 : 0);
      const end = this.separates ? this.cutBefore(bytes, limit, length, seen) : 0;
      if (end > 0) return { bytes: bytes.subarray(0, end), next: offset + end, endsDocument: false, endsFile: false };
      if (length >= this.longestBytes) throw this.uncut(file, offset, length);
      seen = Math.min(limit, length - 1);
    }
  }

  /**
   * The beginning of a document, which decides its part of a split: the document or, if it is long, as much as fits
   * into `pieceBytes`, cut after a newline. Unlike a piece it does not depend on the tokenizer.
   */
  async head(file: DataFile, offset: number): Promise<Piece> {
    const { bytes: all, atEnd } = await this.bytesAt(file, offset, this.pieceBytes);
    const bytes = all.subarray(0, this.pieceBytes);
    const whole = this.documentIn(bytes, offset, atEnd && all.length <= this.pieceBytes);
    if (whole) return whole;
    const limit = bytes.length - (this.separator ? this.separator.length - 1 : 0);
    const end =
      behindNewline(bytes, limit) ||
      betweenCharacters(all, Math.min(limit, bytes.length - 1)) ||
      behindCharacter(all, 0);
    return { bytes: all.subarray(0, end), next: offset + end, endsDocument: false, endsFile: false };
  }

  dispose(): void {
    this.files.dispose();
  }

  /** The rest of the document, if it ends within these bytes. */
  private documentIn(bytes: Uint8Array, offset: number, atEnd: boolean): Piece | undefined {
    const { separator } = this;
    const found = separator ? indexOf(bytes, separator) : -1;
    if (separator && found >= 0) {
      const end = found + separator.length;
      const endsFile = atEnd && end === bytes.length;
      return { bytes: bytes.subarray(0, found), next: offset + end, endsDocument: true, endsFile };
    }
    return atEnd ? { bytes, next: offset + bytes.length, endsDocument: true, endsFile: true } : undefined;
  }

  /** Where to cut within `length` bytes, at or before `limit` and after `seen`; 0 if no cut is possible. */
  private cutBefore(bytes: Uint8Array, limit: number, length: number, seen: number): number {
    const newline = behindNewline(bytes, limit);
    if (newline > seen && this.mayCut(bytes, newline)) return newline;
    for (
      let end = betweenCharacters(bytes, Math.min(limit, length - 1));
      end > seen;
      end = betweenCharacters(bytes, end - 1)
    )
      if (this.mayCut(bytes, end)) return end;
    return 0;
  }

  private mayCut(bytes: Uint8Array, end: number): boolean {
    const [before, after] = [characterAt(bytes, betweenCharacters(bytes, end - 1)), characterAt(bytes, end)];
    return before !== undefined && after !== undefined && this.separates!(before, after);
  }

  private uncut({ path }: DataFile, offset: number, length: number): DataError {
    return new DataError(
      `${path} holds a document that this tokenizer can only encode whole: in the ${Math.round(length / 2 ** 20)} MiB from byte ${offset} on there is no place to cut it.`,
      {
        code: 'data.uncut',
        hint: 'Set `separator`, so that documents are shorter, or take the file apart; docs/data.md says where a tokenizer allows cuts.',
      },
    );
  }

  /** `length` bytes and a few more, which show the next character; fewer only at the end of the file. */
  private async bytesAt(
    file: DataFile,
    offset: number,
    length: number,
  ): Promise<{ bytes: Uint8Array; atEnd: boolean }> {
    const { held } = this;
    const wantedBytes = length + CHARACTER_BYTES;
    const from = held ? offset - held.from : 0;
    const enough = held && (held.atEnd || from + wantedBytes <= held.bytes.length);
    if (!held || held.path !== file.path || from < 0 || from > held.bytes.length || !enough) {
      // The bytes of a gzip file that are already in memory would have to be inflated again from the start.
      const rest = held?.path === file.path && from >= 0 && from < held.bytes.length ? held.bytes.slice(from) : NOTHING;
      const wanted = Math.max(this.stretchBytes, wantedBytes) - rest.length;
      const read = await this.files.read(file, offset + rest.length, wanted);
      this.held = { path: file.path, from: offset, bytes: join(rest, read.bytes), atEnd: read.atEnd };
    }
    const { from: start, bytes, atEnd } = this.held!;
    const begin = offset - start;
    const end = Math.min(begin + wantedBytes, bytes.length);
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

/** The position after the last newline before `limit`; 0 if there is none. */
function behindNewline(bytes: Uint8Array, limit: number): number {
  return bytes.lastIndexOf(NEWLINE, limit - 1) + 1;
}

const goesOn = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** The last position at or before `limit` that is not within a character; 0 if there is none. */
function betweenCharacters(bytes: Uint8Array, limit: number): number {
  let end = limit;
  while (end > 0 && end < bytes.length && goesOn(bytes[end])) end--;
  return Math.max(end, 0);
}

/** The position after the character that begins at a position. */
function behindCharacter(bytes: Uint8Array, at: number): number {
  let end = at + 1;
  while (end < bytes.length && end < at + CHARACTER_BYTES && goesOn(bytes[end])) end++;
  return end;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The character that begins at a position; undefined if none does, or it is incomplete. */
function characterAt(bytes: Uint8Array, at: number): string | undefined {
  if (at >= bytes.length) return undefined;
  if (bytes[at] < 0x80) return String.fromCharCode(bytes[at]);
  try {
    return strict.decode(bytes.subarray(at, behindCharacter(bytes, at)));
  } catch {
    return undefined;
  }
}

const MOST_REMEMBERED = 1 << 16;

/** Caches pairs: texts that cannot be cut often repeat the same two characters. */
function remembered(separates: Separates): Separates {
  const answers = new Map<string, boolean>();
  return (before, after) => {
    const key = before + after;
    let answer = answers.get(key);
    if (answer === undefined) {
      if (answers.size >= MOST_REMEMBERED) answers.clear();
      answers.set(key, (answer = separates(before, after)));
    }
    return answer;
  };
}
