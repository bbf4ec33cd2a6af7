import { shownJson } from '@graft/errors';
import { decodeUtf8 } from '../json/unicode';
import { malformedGguf } from './problems';

/** Thrown where the bytes read so far end before the header does. */
export class MoreNeeded extends Error {
  constructor(
    /** Bytes from the file's beginning. */
    readonly bytes: number,
  ) {
    super('more of the header is needed');
  }
}

/** Longest text of a header, in bytes: chat templates have some thousand. */
const LONGEST_TEXT_BYTES = 1 << 24;

/**
 * Reads a header's numbers and texts, one after the other, as untrusted input: nothing is allocated for what the file
 * only claims to contain. Throws MoreNeeded at the end of the bytes, and CheckpointError at the end of the file.
 */
export class Cursor {
  private readonly view: DataView;

  constructor(
    readonly file: string,
    private readonly bytes: Uint8Array,
    /** Size of the whole file. */
    readonly fileBytes: number,
    /** Largest header, in bytes. */
    private readonly mostBytes: number,
    /** Position in the file. */
    public at = 0,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Checks that this many bytes follow. `what`: what they are, for the error. */
  need(count: number, what: string): void {
    const end = this.at + count;
    if (end > this.fileBytes)
      throw malformedGguf(this.file, `it has ${this.fileBytes} bytes, but ${what} would end at byte ${end}`);
    if (end > this.mostBytes)
      throw malformedGguf(this.file, `${what} would end at byte ${end}; a header has at most ${this.mostBytes} bytes`);
    if (end > this.bytes.length) throw new MoreNeeded(end);
  }

  /** The next bytes, which are not copied. */
  take(count: number, what: string): Uint8Array {
    this.need(count, what);
    const taken = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return taken;
  }

  uint32(what: string): number {
    this.need(4, what);
    const value = this.view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  /** A 64-bit count or position. Throws CheckpointError above `most`. */
  count(what: string, most = Number.MAX_SAFE_INTEGER): number {
    this.need(8, what);
    const value = this.view.getBigUint64(this.at, true);
    this.at += 8;
    if (value > BigInt(most)) throw malformedGguf(this.file, `${what} is ${value}, expected at most ${most}`);
    return Number(value);
  }

  /** A text with its length in front of it. Throws CheckpointError if it is not UTF-8. */
  text(what: string, most = LONGEST_TEXT_BYTES): string {
    const length = this.count(`the length of ${what}`, most);
    const bytes = this.take(length, what);
    const text = decodeUtf8(bytes);
    if (text === undefined)
      throw malformedGguf(
        this.file,
        `${what} is not UTF-8: ${shownJson(Buffer.from(bytes).toString('latin1'), '', 60)}`,
      );
    return text;
  }
}
