import { CheckpointError } from '@graft/engine';
import { openRegularFile } from '@graft/engine/internal';
import type { FileHandle } from 'node:fs/promises';
import { crc32, formatDigest } from './digest';
import { FileRange } from './direct';
import { isFloatDtype, storedWidth, toFloat32, toInt32 } from './dtypes';
import { describeTensor, MAX_HEADER_BYTES, parseHeader, type TensorInfo } from './header';
import type { TensorDigests } from '../snapshot/manifest';
import { readDigested, readFully } from './positional';
import { malformed, otherBytes, unreadable } from './problems';
import type { TensorSource } from './writer';

const DEFAULT_CHUNK_BYTES = 4 << 20;
/** Reused buffers: allocating memory outside JavaScript's heap triggers garbage collections. */
const spareBuffers: ArrayBuffer[] = [];

/** Small buffers are not worth keeping. */
const isKept = (bytes: number): boolean => bytes >= 1 << 16 && bytes <= DEFAULT_CHUNK_BYTES;

const takeBuffer = (bytes: number): ArrayBuffer =>
  isKept(bytes) ? (spareBuffers.pop() ?? new ArrayBuffer(DEFAULT_CHUNK_BYTES)) : new ArrayBuffer(bytes);

function giveBack(buffers: readonly ArrayBuffer[]): void {
  spareBuffers.push(...buffers.filter(({ byteLength }) => byteLength === DEFAULT_CHUNK_BYTES));
}

/** Bytes per range: small enough for regular reports of progress. */
const DEFAULT_RANGE_BYTES = 32 << 20;

/** Bytes of a tensor, counted from its start; `end` is the first one left out. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One open safetensors file. Bytes are read on request, by position; only the header is kept in memory. */
export class SafetensorsReader {
  /** Tensors whose digest has been verified. */
  private readonly whole = new Set<string>();

  private constructor(
    readonly file: string,
    private readonly handle: FileHandle,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    readonly metadata: Readonly<Record<string, string>>,
    /** Digests of the tensors by name, if known. */
    private readonly digests: Readonly<Record<string, string>> | undefined,
  ) {}

  /**
   * Throws CheckpointError for a missing, truncated or inconsistent file. With `expected`, only data with the expected
   * digest are returned: a tensor that is requested in parts is first read whole.
   */
  static async open(file: string, expected?: Partial<TensorDigests>): Promise<SafetensorsReader> {
    const handle = await openRegularFile(file).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
    try {
      const { size } = await handle.stat();
      if (size < 8) throw malformed(file, `expected at least 8 bytes, got ${size}`);
      const prefix = new Uint8Array(8);
      await readFully(handle, file, prefix, 0);
      const headerBytes = Number(new DataView(prefix.buffer).getBigUint64(0, true));
      if (headerBytes > MAX_HEADER_BYTES)
        throw malformed(file, `its header claims ${headerBytes} bytes, expected at most ${MAX_HEADER_BYTES}`);
      if (8 + headerBytes > size)
        throw malformed(file, `its header claims ${headerBytes} bytes, but the file has ${size}`);
      const json = new Uint8Array(headerBytes);
      await readFully(handle, file, json, 8);
      if (expected?.header !== undefined && formatDigest(crc32(json, crc32(prefix))) !== expected.header)
        throw otherBytes(file, 'its header');
      const { tensors, metadata } = parseHeader(file, json, 8 + headerBytes, size);
      return new SafetensorsReader(file, handle, tensors, metadata, expected?.tensors);
    } catch (error) {
      await handle.close();
      throw unreadable(file, error);
    }
  }

  /** The location of a tensor. Throws CheckpointError with the file's name if it has no such tensor. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info)
      throw new CheckpointError(`${this.file} has no tensor "${name}".`, { code: 'checkpoint.missing-tensor' });
    return info;
  }

  /** The tensor's bytes, or a range of them. */
  async readBytes(name: string, range?: ByteRange): Promise<Uint8Array> {
    const { byteLength } = this.info(name);
    const { start, end } = range ?? { start: 0, end: byteLength };
    this.checkRange(name, start, end);
    const bytes = new Uint8Array(end - start);
    await this.fill(name, bytes, start);
    return bytes;
  }

  /** Fills `target` with the tensor's bytes from `start` on. */
  async readInto(name: string, target: Uint8Array, start = 0): Promise<void> {
    this.checkRange(name, start, start + target.length);
    await this.fill(name, target, start);
  }

  /**
   * The tensor's bytes in order, in pieces of whole elements. A piece is valid until the next one is requested; while
   * it is used, the next one is already being read.
   */
  async *chunks(name: string, chunkBytes = DEFAULT_CHUNK_BYTES): AsyncGenerator<Uint8Array, undefined, undefined> {
    const { byteLength, dtype } = this.info(name);
    const width = storedWidth(dtype);
    if (!(chunkBytes > 0)) {
      throw new CheckpointError(
        `${this.file}: pieces of ${chunkBytes} bytes cannot be read; expected a number above 0.`,
        {
          code: 'checkpoint.chunk-bytes',
        },
      );
    }
    const size = Math.min(byteLength, Math.max(width, Math.floor(chunkBytes / width) * width));
    const buffers: ArrayBuffer[] = [];
    const read = async (start: number): Promise<Uint8Array> => {
      const buffer = (buffers[(start / size) % 2] ??= takeBuffer(size));
      const chunk = new Uint8Array(buffer, 0, Math.min(size, byteLength - start));
      await readFully(this.handle, this.file, chunk, this.info(name).offset + start);
      return chunk;
    };
    const checked = this.digests !== undefined && !this.whole.has(name);
    let crc = 0;
    let ahead: Promise<Uint8Array> | undefined;
    try {
      for (let start = 0; start < byteLength; start += size) {
        const chunk: Uint8Array = await (ahead ?? read(start));
        ahead = start + size < byteLength ? read(start + size) : undefined;
        // It is awaited in the next iteration; this handler prevents an unhandled rejection until then.
        ahead?.catch(() => undefined);
        if (checked) crc = crc32(chunk, crc);
        // Checked before the last piece is returned, so that a copy of a damaged tensor never completes.
        if (checked && !ahead) this.checkDigest(name, crc);
        yield chunk;
      }
    } finally {
      // A consumer that stops early may close the file next.
      await ahead?.catch(() => undefined);
      giveBack(buffers);
    }
    return undefined;
  }

  /** The tensor widened to float32, in order, in pieces that are valid until the next one. Throws as `readFloat32`. */
  async *float32Chunks(name: string): AsyncGenerator<Float32Array, undefined, undefined> {
    const { dtype, byteLength } = this.floats(name);
    const width = storedWidth(dtype);
    // No more values than fit into a buffer after widening.
    const chunkBytes = (DEFAULT_CHUNK_BYTES / 4) * Math.min(4, width);
    const wide = dtype === 'F32' ? undefined : takeBuffer(Math.min(DEFAULT_CHUNK_BYTES, (byteLength / width) * 4));
    try {
      for await (const chunk of this.chunks(name, chunkBytes))
        yield toFloat32(chunk, dtype, wide && new Float32Array(wide, 0, chunk.length / width));
    } finally {
      if (wide) giveBack([wide]);
    }
    return undefined;
  }

  /** The tensor's bytes in order, as ranges that a writer copies without loading them here. */
  async *ranges(name: string, pieceBytes = DEFAULT_RANGE_BYTES): AsyncGenerator<FileRange, undefined, undefined> {
    const { offset, byteLength } = this.info(name);
    await this.checkWhole(name);
    for (let start = 0; start < byteLength; start += pieceBytes)
      yield new FileRange(this.handle, this.file, offset + start, Math.min(pieceBytes, byteLength - start));
    return undefined;
  }

  /** The tensor as a source for a writer, unchanged and streamed. */
  source(name: string): TensorSource {
    const { dtype, shape } = this.info(name);
    return { name, dtype, shape, data: () => this.chunks(name) };
  }

  /**
   * The tensor widened to float32. Throws CheckpointError with the names of file and tensor if it does not contain
   * floats.
   */
  async readFloat32(name: string): Promise<Float32Array> {
    const { dtype, byteLength } = this.floats(name);
    const width = storedWidth(dtype);
    const values = new Float32Array(byteLength / width);
    if (width > 4) {
      let at = 0;
      for await (const chunk of this.chunks(name)) {
        toFloat32(chunk, dtype, values.subarray(at, at + chunk.length / width));
        at += chunk.length / width;
      }
      return values;
    }
    // Narrow floats are read into the end of the result and widened in place: no second buffer of a tensor's size.
    const stored = new Uint8Array(values.buffer, values.byteLength - byteLength);
    await this.fill(name, stored, 0);
    return dtype === 'F32' ? values : toFloat32(stored, dtype, values);
  }

  /** An integer tensor; int64 is narrowed. Throws CheckpointError for another dtype or a number beyond 32 bits. */
  async readInt32(name: string): Promise<Int32Array> {
    return toInt32(await this.readBytes(name), this.info(name).dtype, `${this.file}, tensor "${name}"`);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private floats(name: string): TensorInfo {
    const info = this.info(name);
    if (isFloatDtype(info.dtype)) return info;
    throw new CheckpointError(
      `${this.file}: tensor "${name}" holds ${describeTensor(info)}; expected F32, F16 or BF16.`,
      { code: 'checkpoint.dtype' },
    );
  }

  private async fill(name: string, target: Uint8Array, start: number): Promise<void> {
    const { offset, byteLength } = this.info(name);
    if (this.digests && !this.whole.has(name)) {
      if (target.length === byteLength)
        return this.checkDigest(name, await readDigested(this.handle, this.file, target, offset));
      await this.checkWhole(name);
    }
    await readFully(this.handle, this.file, target, offset + start);
  }

  /** Reads a tensor completely, once, if it has a digest that must be checked before a part of it is returned. */
  private async checkWhole(name: string): Promise<void> {
    if (!this.digests || this.whole.has(name)) return;
    for await (const _ of this.chunks(name)) continue;
  }

  private checkDigest(name: string, crc: number): void {
    const digests = this.digests!;
    if (!Object.hasOwn(digests, name) || digests[name] !== formatDigest(crc))
      throw otherBytes(this.file, `tensor "${name}"`);
    this.whole.add(name);
  }

  private checkRange(name: string, start: number, end: number): void {
    const { byteLength } = this.info(name);
    if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= byteLength)
      return;
    throw new CheckpointError(
      `${this.file}: tensor "${name}" has ${byteLength} bytes; bytes ${start} to ${end} were asked for.`,
      { code: 'checkpoint.range' },
    );
  }
}
