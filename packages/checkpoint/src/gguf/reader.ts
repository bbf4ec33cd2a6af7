import { CheckpointError } from '@graft/errors';
import { openRegularFile } from '@graft/files';
import type { FileHandle } from 'node:fs/promises';
import { readFully } from '../safetensors/positional';
import { unreadable } from '../safetensors/problems';
import { dequantize } from './block-types';
import { readHeader, type GgufTensor } from './header';
import type { GgufMetadata } from './metadata';

/** Values per piece: bounded memory, and few system calls. */
const PIECE_VALUES = 1 << 18;

/*
 * The npm package @huggingface/gguf parses the same headers, but is made for remote files in a browser: it keeps all
 * that it has read, parses lists element by element, does not check that tensors lie within the file or apart from each
 * other, decodes invalid UTF-8 silently, dequantizes nothing, and needs a package of 2 MB with the Hub's tasks. The
 * format is small enough to be read here as safetensors is.
 */

/** One open GGUF file, as llama.cpp writes it. Values are read on request, by position; only the header is in memory. */
export class GgufReader {
  private constructor(
    readonly file: string,
    private readonly handle: FileHandle,
    readonly metadata: GgufMetadata,
    readonly tensors: ReadonlyMap<string, GgufTensor>,
  ) {}

  /** Throws CheckpointError for a missing, truncated or inconsistent file, and for what Graft does not read. */
  static async open(file: string): Promise<GgufReader> {
    const handle = await openRegularFile(file).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
    try {
      const { metadata, tensors } = await readHeader(handle, file, (await handle.stat()).size);
      return new GgufReader(file, handle, metadata, tensors);
    } catch (error) {
      await handle.close();
      throw unreadable(file, error);
    }
  }

  /** Throws CheckpointError if the file has no tensor of that name. */
  info(name: string): GgufTensor {
    const info = this.tensors.get(name);
    if (info) return info;
    throw new CheckpointError(`${this.file} has no tensor "${name}".`, { code: 'checkpoint.missing-tensor' });
  }

  /** Whole rows of a tensor, widened to float32: `count` rows from row `first` on. Rows run along the last axis. */
  async rows(name: string, first: number, count: number): Promise<Float32Array> {
    const { shape, values, type, byteLength } = this.info(name);
    const width = shape[shape.length - 1];
    if (!(first >= 0 && count >= 0 && (first + count) * width <= values))
      throw new CheckpointError(
        `${this.file}: tensor "${name}" has ${values / width} rows; rows ${first} to ${first + count} were asked for.`,
        { code: 'checkpoint.range' },
      );
    const rowBytes = byteLength / (values / width);
    return this.widen(name, first * rowBytes, count * rowBytes, (count * rowBytes * type.values) / type.bytes);
  }

  /** The values of a tensor in order, widened to float32. Each piece is a new array. */
  async *float32Chunks(name: string): AsyncGenerator<Float32Array, undefined, undefined> {
    const { values, type } = this.info(name);
    // Whole blocks: the piece is a multiple of every block's size.
    for (let at = 0; at < values; at += PIECE_VALUES) {
      const count = Math.min(PIECE_VALUES, values - at);
      const bytes = (values: number): number => (values / type.values) * type.bytes;
      yield await this.widen(name, bytes(at), bytes(count), count);
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async widen(name: string, start: number, byteLength: number, count: number): Promise<Float32Array> {
    const { offset, type } = this.info(name);
    const bytes = new Uint8Array(byteLength);
    await readFully(this.handle, this.file, bytes, offset + start);
    const values = new Float32Array(count);
    dequantize(bytes, type, values);
    return values;
  }
}

/** Values that may be in memory at the same time, for those who read rows. */
export const GGUF_PIECE_VALUES = PIECE_VALUES;
