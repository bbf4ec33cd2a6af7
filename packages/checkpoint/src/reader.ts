import { CheckpointError } from '@graft/engine';
import { open, type FileHandle } from 'node:fs/promises';
import { isFloatDtype, toFloat32, toInt32 } from './dtypes';
import { malformed, MAX_HEADER_BYTES, parseHeader, type TensorInfo } from './header';

const DEFAULT_CHUNK_BYTES = 4 << 20;

/** One open safetensors file. Bytes are read when asked for, by position; nothing but the header is held. */
export class SafetensorsReader {
  private constructor(
    readonly file: string,
    private readonly handle: FileHandle,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /** Throws CheckpointError for a missing, truncated or lying file. */
  static async open(file: string): Promise<SafetensorsReader> {
    let handle: FileHandle;
    try {
      handle = await open(file, 'r');
    } catch (cause) {
      throw unreadable(file, cause);
    }
    try {
      const stat = await handle.stat();
      if (stat.isDirectory()) throw malformed(file, 'it is a folder');
      const { size } = stat;
      const prefix = await readExactly(handle, file, 0, 8, size);
      const headerBytes = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
      if (headerBytes > MAX_HEADER_BYTES) throw malformed(file, `its header claims ${headerBytes} bytes`);
      if (8 + headerBytes > size)
        throw malformed(file, `its header claims ${headerBytes} bytes, but the file has ${size}`);
      const json = await readExactly(handle, file, 8, headerBytes, size);
      const { tensors, metadata } = parseHeader(file, json, 8 + headerBytes, size);
      return new SafetensorsReader(file, handle, tensors, metadata);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Where a tensor lies. Throws CheckpointError naming the file when it has no such tensor. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info)
      throw new CheckpointError(`${this.file} has no tensor "${name}".`, { code: 'checkpoint.missing-tensor' });
    return info;
  }

  /** The tensor's bytes, or those of a range counted from its start. */
  async readBytes(name: string, range?: { start: number; end: number }): Promise<Uint8Array> {
    const { offset, byteLength } = this.info(name);
    const start = range?.start ?? 0;
    return readExactly(this.handle, this.file, offset + start, (range?.end ?? byteLength) - start);
  }

  /** The tensor's bytes in order. Each chunk is valid until the next one is asked for. */
  async *chunks(name: string, chunkBytes = DEFAULT_CHUNK_BYTES): AsyncGenerator<Uint8Array> {
    const { offset, byteLength } = this.info(name);
    const buffer = new Uint8Array(Math.min(chunkBytes, byteLength));
    for (let start = 0; start < byteLength; start += chunkBytes) {
      const length = Math.min(chunkBytes, byteLength - start);
      yield await readExactly(this.handle, this.file, offset + start, length, undefined, buffer);
    }
  }

  /** The tensor widened to float32. Throws CheckpointError naming file and tensor when it holds no floats. */
  async readFloat32(name: string): Promise<Float32Array> {
    const { dtype } = this.info(name);
    if (!isFloatDtype(dtype)) {
      throw new CheckpointError(
        `${this.file}: "${name}" holds ${dtype}, no floating-point numbers; expected F32, F16 or BF16.`,
        {
          code: 'checkpoint.dtype',
        },
      );
    }
    return toFloat32(await this.readBytes(name), dtype);
  }

  async readInt32(name: string): Promise<Int32Array> {
    return toInt32(await this.readBytes(name), this.info(name).dtype, `${this.file}, tensor "${name}"`);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

export function unreadable(file: string, cause: unknown): CheckpointError {
  const code = (cause as NodeJS.ErrnoException).code;
  const reason =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES'
        ? 'permission denied'
        : ((cause as Error).message ?? String(cause));
  return new CheckpointError(`${file} cannot be read: ${reason}.`, { code: 'checkpoint.unreadable', cause });
}

async function readExactly(
  handle: FileHandle,
  file: string,
  position: number,
  length: number,
  size?: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  if (size !== undefined && position + length > size)
    throw malformed(file, `it has ${size} bytes, expected at least ${position + length}`);
  const buffer = into ?? new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw malformed(file, `it ended at byte ${position + done}, expected ${position + length}`);
    done += bytesRead;
  }
  return length === buffer.length ? buffer : buffer.subarray(0, length);
}
