import { DataError } from '@graft/core';
import {
  decodeUtf8,
  describeInvalidUtf8,
  openRegularFile,
  openRegularFileSync,
  streamRegularFile,
} from '@graft/core/internal';
import { createReadStream, type ReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { DataFile } from './find-files';

const READ_BYTES = 1 << 18;

/**
 * Text that a gzip file may unpack to: this many bytes, or this many times the bytes read from the file. Usual texts
 * grow three to ten times, files that are meant to fill the memory a thousand times.
 */
const UNPACKED_BYTES = 1 << 25;
const UNPACKED_RATIO = 256;

export interface Bytes {
  readonly bytes: Uint8Array;
  /** Whether the file ends after them. */
  readonly atEnd: boolean;
}

/** The failure to read a file, as a DataError that names it. */
export function unreadable(path: string, cause: unknown): DataError {
  if (cause instanceof DataError) return cause;
  return new DataError(`${path} cannot be read: ${(cause as Error).message}.`, { code: 'data.unreadable', cause });
}

/** The first bytes of a file. */
async function firstBytes(path: string, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  try {
    const handle = await openRegularFile(path);
    try {
      const { bytesRead } = await handle.read(bytes, 0, length, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

export type FileFormat = 'plain' | 'gzip' | 'parquet';

/** Detected from the first bytes. Throws DataError for a name that promises another format. */
export async function formatOf(path: string): Promise<FileFormat> {
  const first = await firstBytes(path, 4);
  if (first[0] === 0x1f && first[1] === 0x8b) return 'gzip';
  if (Buffer.from(first).toString('latin1') === 'PAR1') return 'parquet';
  const promised = /\.(gz|gzip|parquet)$/i.exec(path)?.[1].toLowerCase();
  if (promised === undefined) return 'plain';
  const name = promised === 'parquet' ? 'Parquet' : 'gzip';
  throw new DataError(`${path} is called .${promised}, but does not begin as ${name} data do.`, {
    code: 'data.format',
    hint: first.length === 0 ? 'The file is empty: was it written to its end?' : 'Name it for what it holds.',
  });
}

/** Consecutive members of a gzip file, starting at a byte of the file. */
class Members {
  private readonly file: ReadStream;
  private readonly gunzip: Gunzip;
  readonly chunks: AsyncIterator<Buffer>;

  constructor(
    readonly path: string,
    private readonly start: number,
  ) {
    this.file = createReadStream(path, { fd: openRegularFileSync(path), start, highWaterMark: READ_BYTES });
    this.gunzip = createGunzip({ chunkSize: READ_BYTES });
    // Errors are thrown by the iteration.
    pipeline(this.file, this.gunzip, () => undefined);
    this.chunks = (this.gunzip as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /**
   * The members after these, which have ended: zlib stops at a zero byte. Zeros pad a file, as on tapes and in Python's
   * reader, and more members may follow them. Throws DataError for anything else.
   */
  async next(): Promise<Members | undefined> {
    let at = this.position;
    const padding = await streamRegularFile(this.path, { start: at, highWaterMark: READ_BYTES });
    for await (const chunk of padding as AsyncIterable<Buffer>) {
      const zeros = chunk.findIndex((byte) => byte !== 0);
      at += zeros < 0 ? chunk.length : zeros;
      if (zeros < 0) continue;
      if (chunk[zeros] === 0x1f) return new Members(this.path, at);
      throw new DataError(`${this.path} cannot be read: what follows its gzip data, at byte ${at}, is not gzip.`, {
        code: 'data.gzip',
        hint: '`gzip --test` reports it too; get the file again.',
      });
    }
    return undefined;
  }

  /** Position in the file up to which it was read. */
  get position(): number {
    return this.start + this.gunzip.bytesWritten;
  }

  close(): void {
    this.gunzip.destroy();
    this.file.destroy();
  }
}

/** The text of a gzip file, read forwards from the end of the last read. */
class Inflater {
  private members: Members;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  /** Offset of the first pending byte in the text. */
  private at = 0;
  private ended = false;

  constructor(readonly path: string) {
    this.members = new Members(path, 0);
  }

  get offset(): number {
    return this.at;
  }

  async read(offset: number, length: number): Promise<Bytes> {
    while (this.at < offset) {
      await this.fill(1);
      if (this.pendingBytes === 0) break;
      this.take(Math.min(offset - this.at, this.pendingBytes));
    }
    // One byte more than requested shows whether the text continues.
    await this.fill(length + 1);
    const bytes = this.take(Math.min(length, this.pendingBytes));
    return { bytes, atEnd: this.ended && this.pendingBytes === 0 };
  }

  close(): void {
    this.members.close();
  }

  /** Inflates until this many bytes are pending, or the file ends. */
  private async fill(bytes: number): Promise<void> {
    try {
      while (!this.ended && this.pendingBytes < bytes) {
        const { value, done } = await this.members.chunks.next();
        if (done) {
          const next = await this.members.next();
          this.members.close();
          if (next) this.members = next;
          else this.ended = true;
        } else {
          this.pending.push(value);
          this.pendingBytes += value.length;
          this.checkGrowth();
        }
      }
    } catch (cause) {
      throw damaged(this.path, cause);
    }
  }

  private checkGrowth(): void {
    const text = this.at + this.pendingBytes;
    const { position } = this.members;
    if (text <= UNPACKED_BYTES || text <= UNPACKED_RATIO * position) return;
    throw new DataError(
      `${this.path} cannot be read: its first ${position} bytes unpack to more than ${UNPACKED_RATIO} times as many.`,
      {
        code: 'data.gzip',
        hint: 'Files that grow so much are made to fill a memory; unpack it yourself if you trust it.',
      },
    );
  }

  private take(length: number): Uint8Array {
    const all = this.pending.length === 1 ? this.pending[0] : Buffer.concat(this.pending);
    this.pending = length < all.length ? [all.subarray(length)] : [];
    this.pendingBytes -= length;
    this.at += length;
    return all.subarray(0, length);
  }
}

function damaged(path: string, cause: unknown): DataError {
  const { message, code } = cause as NodeJS.ErrnoException;
  if (code === undefined || !code.startsWith('Z_')) return unreadable(path, cause);
  const what = code === 'Z_BUF_ERROR' ? 'its gzip data end too early' : `its gzip data are damaged (${message})`;
  return new DataError(`${path} cannot be read: ${what}.`, {
    code: 'data.gzip',
    hint: '`gzip --test` reports it too; get the file again.',
    cause,
  });
}

/**
 * Bytes of files at any offset. Offsets in gzip files are those of the text: reading forwards inflates each byte once,
 * and going back inflates the file again from its start, at a few hundred MB of text per second.
 */
export class FileBytes {
  private readonly formats = new Map<string, FileFormat>();
  private inflater: Inflater | undefined;

  /** Throws DataError for Parquet, which is not text. */
  async isGzip({ path }: DataFile): Promise<boolean> {
    let format = this.formats.get(path);
    if (format === undefined) this.formats.set(path, (format = await formatOf(path)));
    if (format !== 'parquet') return format === 'gzip';
    throw new DataError(`${path} holds Parquet, not text.`, {
      code: 'data.format',
      hint: 'Read it with `dataset: { use: parquet }` (or `chat`).',
    });
  }

  /** `length` bytes, or fewer at the end of the file. Throws DataError if a file is damaged or shorter than it was. */
  async read(file: DataFile, offset: number, length: number): Promise<Bytes> {
    if (!(await this.isGzip(file))) return readPlain(file, offset, length);
    if (this.inflater?.path !== file.path || this.inflater.offset > offset) {
      this.inflater?.close();
      this.inflater = new Inflater(file.path);
    }
    try {
      return await this.inflater.read(offset, length);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The whole file, in pieces. */
  async *scan(file: DataFile): AsyncGenerator<Buffer> {
    if (!(await this.isGzip(file))) {
      try {
        yield* (await streamRegularFile(file.path, { highWaterMark: READ_BYTES })) as AsyncIterable<Buffer>;
      } catch (cause) {
        throw unreadable(file.path, cause);
      }
      return;
    }
    const inflater = new Inflater(file.path);
    try {
      for (let at = 0, atEnd = false; !atEnd;) {
        const read = await inflater.read(at, READ_BYTES);
        at += read.bytes.length;
        atEnd = read.atEnd;
        yield Buffer.from(read.bytes.buffer, read.bytes.byteOffset, read.bytes.length);
      }
    } finally {
      inflater.close();
    }
  }

  dispose(): void {
    this.inflater?.close();
    this.inflater = undefined;
  }
}

async function readPlain({ path, size }: DataFile, offset: number, length: number): Promise<Bytes> {
  const wanted = Math.max(0, Math.min(length, size - offset));
  const bytes = new Uint8Array(wanted);
  try {
    const handle = await openRegularFile(path);
    try {
      for (let filled = 0; filled < wanted;) {
        const { bytesRead } = await handle.read(bytes, filled, wanted - filled, offset + filled);
        if (bytesRead === 0) throw new Error(`it has become shorter than the ${size} bytes it had`);
        filled += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return { bytes, atEnd: offset + wanted >= size };
}

/** `subject`: what the bytes are. `from`: their offset in the file's text. */
export function notUtf8(subject: string, bytes: Uint8Array, from: number): DataError {
  return new DataError(`${subject} is not UTF-8: ${describeInvalidUtf8(bytes, from)}.`, {
    code: 'data.encoding',
    hint: 'Convert the file, e.g. with `iconv -f latin1 -t utf-8`, or leave it out with `exclude`.',
  });
}

/**
 * Decodes UTF-8 without losing anything: a byte order mark is a character, U+FEFF. Throws DataError if it is not UTF-8:
 * otherwise wrong characters would silently be learned.
 */
export function decodeText(bytes: Uint8Array, path: string, from: number): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw notUtf8(path, bytes, from);
  return text;
}
