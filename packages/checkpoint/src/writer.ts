import { CheckpointError } from '@graft/engine';
import { open, type FileHandle } from 'node:fs/promises';
import { writeFailure, writeFileAtomically } from './atomic';
import { storedWidth, type StoredDtype } from './dtypes';

type Chunk = Uint8Array | Float32Array | Int32Array;

/** A tensor to be written. `data` is called once, when its turn comes, so that only one tensor is held at a time. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** The bytes in `dtype`, whole or in order of pieces. */
  data(): Chunk | Promise<Chunk> | AsyncIterable<Chunk>;
}

export function sourceBytes({ dtype, shape }: Pick<TensorSource, 'dtype' | 'shape'>): number {
  return shape.reduce((product, size) => product * size, storedWidth(dtype));
}

function buildHeader(sources: readonly TensorSource[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  const names = new Set<string>();
  let at = 0;
  for (const source of sources) {
    if (names.has(source.name))
      throw new CheckpointError(`Tensor "${source.name}" was given twice.`, { code: 'checkpoint.duplicate' });
    names.add(source.name);
    const bytes = sourceBytes(source);
    header[source.name] = { dtype: source.dtype, shape: source.shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces so that the data begin at a multiple of eight bytes.
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  return padded;
}

function isChunked(data: unknown): data is AsyncIterable<Chunk> {
  return typeof (data as AsyncIterable<Chunk>)[Symbol.asyncIterator] === 'function';
}

async function writeAll(handle: FileHandle, chunk: Chunk): Promise<number> {
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  let done = 0;
  while (done < bytes.length) done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
  return done;
}

/** Writes a file at exactly this name; use `writeSafetensors` where a reader could come upon it half-way. */
export async function writeSafetensorsInto(
  file: string,
  sources: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  const header = buildHeader(sources, metadata);
  const handle = await open(file, 'w');
  try {
    await writeAll(handle, header);
    for (const source of sources) {
      const data = source.data();
      let written = 0;
      if (isChunked(data)) for await (const chunk of data) written += await writeAll(handle, chunk);
      else written = await writeAll(handle, await data);
      if (written !== sourceBytes(source)) {
        throw new CheckpointError(
          `Tensor "${source.name}" (${source.dtype} [${source.shape.join(', ')}]) takes ${sourceBytes(source)} bytes, but ${written} were given.`,
          { code: 'checkpoint.tensor-size' },
        );
      }
    }
    await handle.sync();
  } catch (error) {
    throw await writeFailure(file, error);
  } finally {
    await handle.close();
  }
}

/** Writes a safetensors file that appears whole or not at all. `metadata.format` is `pt`, which other readers expect. */
export async function writeSafetensors(
  file: string,
  sources: readonly TensorSource[],
  options: { metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  await writeFileAtomically(file, (temporary) => writeSafetensorsInto(temporary, sources, options.metadata));
}
