import { CheckpointError } from '@graft/engine';
import { open, type FileHandle } from 'node:fs/promises';
import { WriteProblem, writeFileAtomically } from './atomic';
import { buildHeader, describeTensor, sourceBytes, type TensorSpec } from './header';
import { writeFully } from './positional';

/** Bytes in the tensor's dtype; typed numbers only where they are stored as they are. */
export type TensorData = Uint8Array | Float32Array | Int32Array;

/** A tensor to be written. `data` is called once, when its turn comes, so that only one tensor is held at a time. */
export interface TensorSource extends TensorSpec {
  /** The bytes in `dtype`, whole or in order of pieces. A piece is written before the next one is asked for. */
  data(): TensorData | Promise<TensorData> | AsyncIterable<TensorData>;
}

export interface SafetensorsOptions {
  /** Texts that go with the file. Default `{ format: 'pt' }`, which other readers expect. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const DEFAULT_METADATA = { format: 'pt' };

interface Place {
  readonly spec: TensorSpec;
  /** Position in the file. */
  readonly offset: number;
  /** What was written, as [start, end) within the tensor. */
  readonly written: [number, number][];
}

/**
 * A safetensors file being filled: the header is written first, then tensors in any order, in pieces or several at once,
 * as every byte's position is known. `finish` refuses a file with holes.
 */
export class SafetensorsWriter {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly places: ReadonlyMap<string, Place>,
    private readonly fileBytes: number,
  ) {}

  /** Begins a file at exactly this name; use `writeSafetensorsWith` where a reader could come upon it half-way. */
  static async create(
    file: string,
    specs: readonly TensorSpec[],
    { metadata = DEFAULT_METADATA }: SafetensorsOptions = {},
  ): Promise<SafetensorsWriter> {
    const header = buildHeader(specs, metadata);
    const places = specs.map((spec, i): [string, Place] => [
      spec.name,
      { spec, offset: header.offsets[i], written: [] },
    ]);
    let handle: FileHandle;
    try {
      handle = await open(file, 'w');
    } catch (cause) {
      throw new WriteProblem(file, header.fileBytes, cause);
    }
    const writer = new SafetensorsWriter(file, handle, new Map(places), header.fileBytes);
    try {
      await writer.attempt(() => writeFully(handle, header.bytes, 0));
    } catch (error) {
      await writer.close();
      throw error;
    }
    return writer;
  }

  /** Writes a part of a tensor, `start` bytes behind its beginning. Parts may come in any order and at the same time. */
  async writeAt(name: string, data: TensorData, start = 0): Promise<void> {
    const place = this.places.get(name);
    if (!place) throw new CheckpointError(`Tensor "${name}" was not announced.`, { code: 'checkpoint.missing-tensor' });
    checkKind(place.spec, data);
    const end = start + data.byteLength;
    if (!Number.isSafeInteger(start) || start < 0 || end > sourceBytes(place.spec)) {
      throw sizeProblem(place.spec, `bytes ${start} to ${end} were given`);
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await this.attempt(() => writeFully(this.handle, bytes, place.offset + start));
    place.written.push([start, end]);
  }

  /** Writes all of a tensor. */
  async write(source: TensorSource): Promise<void> {
    const data = source.data();
    if (!isChunked(data)) return this.writeAt(source.name, await data);
    let at = 0;
    for await (const piece of data) {
      await this.writeAt(source.name, piece, at);
      at += piece.byteLength;
    }
  }

  /** Checks that every tensor is whole, and that the disk has it all. Throws CheckpointError naming one that is not. */
  async finish(): Promise<void> {
    for (const { spec, written } of this.places.values()) {
      let at = 0;
      for (const [start, end] of written.sort((a, b) => a[0] - b[0])) if (start <= at) at = Math.max(at, end);
      if (at !== sourceBytes(spec)) throw sizeProblem(spec, `${at} were given`);
    }
    await this.attempt(() => this.handle.sync());
  }

  async close(): Promise<void> {
    // The system may tell of a failed write only now.
    await this.attempt(() => this.handle.close());
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      throw new WriteProblem(this.file, this.fileBytes, cause);
    }
  }
}

function isChunked(data: ReturnType<TensorSource['data']>): data is AsyncIterable<TensorData> {
  return Symbol.asyncIterator in data;
}

/** Typed numbers are stored as they are: under another dtype's name they would be read as nonsense. */
function checkKind(spec: TensorSpec, data: TensorData): void {
  // By name, not by instanceof: arrays made in another realm are arrays too.
  const kind = data[Symbol.toStringTag];
  const expected = { Float32Array: 'F32', Int32Array: 'I32', Uint8Array: spec.dtype }[kind];
  if (expected === spec.dtype) return;
  throw new CheckpointError(`Tensor "${spec.name}" is to be stored as ${spec.dtype}, but its data are a ${kind}.`, {
    code: 'checkpoint.dtype',
    hint: 'Convert them with fromFloat32.',
  });
}

function sizeProblem(spec: TensorSpec, given: string): CheckpointError {
  return new CheckpointError(
    `Tensor "${spec.name}" (${describeTensor(spec)}) takes ${sourceBytes(spec)} bytes, but ${given}.`,
    { code: 'checkpoint.tensor-size' },
  );
}

/** Writes a file at exactly this name: for a folder that appears by rename. */
export async function writeSafetensorsInto(
  file: string,
  specs: readonly TensorSpec[],
  fill: (writer: SafetensorsWriter) => Promise<void>,
  options?: SafetensorsOptions,
): Promise<void> {
  const writer = await SafetensorsWriter.create(file, specs, options);
  try {
    await fill(writer);
    await writer.finish();
  } catch (error) {
    await writer.close().catch(() => undefined);
    throw error;
  }
  await writer.close();
}

/** Fills a writer with sources, one after the other or several at a time. */
export function inOrder(
  sources: readonly TensorSource[],
  concurrency = 1,
): (writer: SafetensorsWriter) => Promise<void> {
  return async (writer) => {
    let next = 0;
    let failed = false;
    const work = async (): Promise<void> => {
      try {
        while (next < sources.length && !failed) await writer.write(sources[next++]);
      } catch (error) {
        failed = true;
        throw error;
      }
    };
    // All of them are waited for: whoever fails closes the file next.
    const results = await Promise.allSettled(Array.from({ length: concurrency }, work));
    const lost = results.find((result) => result.status === 'rejected');
    if (lost) throw lost.reason;
  };
}

/**
 * Writes a safetensors file that appears whole or not at all, in the order that `fill` likes: for copying in parallel.
 * The file is laid out in the order of `specs`.
 */
export async function writeSafetensorsWith(
  file: string,
  specs: readonly TensorSpec[],
  fill: (writer: SafetensorsWriter) => Promise<void>,
  options?: SafetensorsOptions,
): Promise<void> {
  await writeFileAtomically(file, (temporary) => writeSafetensorsInto(temporary, specs, fill, options));
}

/** Writes a safetensors file that appears whole or not at all; one tensor is asked for at a time. */
export async function writeSafetensors(
  file: string,
  sources: readonly TensorSource[],
  options?: SafetensorsOptions,
): Promise<void> {
  await writeSafetensorsWith(file, sources, inOrder(sources), options);
}
