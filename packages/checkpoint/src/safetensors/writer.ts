import { CheckpointError, GraftError } from '@graft/errors';
import { open, type FileHandle } from 'node:fs/promises';
import { WriteProblem, writeFileAtomically } from '../files/atomic';
import { crc32, digestOf, formatDigest } from './digest';
import { copyRange, DirectOutput, FileRange, readRange } from './direct';
import { buildHeader, describeTensor, sourceBytes, type TensorSpec } from './header';
import type { TensorDigests } from '../snapshot/manifest';
import { writeFully } from './positional';

/** Bytes in the tensor's dtype, in memory or in another file; typed arrays only if they are stored unchanged. */
export type TensorData = Uint8Array | Float32Array | Int32Array | FileRange;

/**
 * A tensor to be written. `data` is called once, when the tensor is written, so that only one tensor is in memory at a
 * time.
 */
export interface TensorSource extends TensorSpec {
  /** The bytes in `dtype`, whole or as pieces in order. A piece is written before the next one is requested. */
  data(): TensorData | Promise<TensorData> | AsyncIterable<TensorData>;
  /** The bytes are computed, not read from disk: such tensors are computed in parallel with the copying of others. */
  readonly computed?: boolean;
}

/** How a safetensors file is written. */
export interface SafetensorsOptions {
  /** Metadata of the file. Default `{ format: 'pt' }`, which other readers expect. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The file is large, and nobody reads it soon: it is written past the system's cache. Default false. */
  readonly streams?: boolean;
  /** Compute digests while writing; each tensor's bytes must then come in order. Default false. */
  readonly digests?: boolean;
}

/** What other readers expect. */
export const DEFAULT_METADATA = { format: 'pt' };

interface TensorProgress {
  readonly spec: TensorSpec;
  /** Position in the file. */
  readonly offset: number;
  /** What was written, as [start, end) within the tensor. */
  readonly written: [number, number][];
  /** CRC-32 of the bytes up to this position. */
  crc: number;
  digested: number;
}

/**
 * A safetensors file being filled: the header is written first, then tensors in any order, in pieces or several at
 * once, because every byte's position is known. `finish` rejects a file with gaps.
 */
export class SafetensorsWriter {
  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly progress: ReadonlyMap<string, TensorProgress>,
    private readonly fileBytes: number,
    /** The handle for whole tensors, past the system's cache. */
    private readonly direct: DirectOutput | undefined,
    /** Digest of the header; undefined without digests. */
    private readonly headerDigest: string | undefined,
  ) {}

  /** Creates a file with exactly this name; use `writeSafetensorsWith` if a reader could see it unfinished. */
  static async create(
    file: string,
    specs: readonly TensorSpec[],
    { metadata = DEFAULT_METADATA, streams = false, digests = false }: SafetensorsOptions = {},
  ): Promise<SafetensorsWriter> {
    const header = buildHeader(specs, metadata);
    const progress = specs.map((spec, i): [string, TensorProgress] => [
      spec.name,
      { spec, offset: header.offsets[i], written: [], crc: 0, digested: 0 },
    ]);
    let handle: FileHandle;
    try {
      handle = await open(file, 'w');
    } catch (cause) {
      throw new WriteProblem(file, header.fileBytes, cause);
    }
    const direct = streams ? await DirectOutput.open(file, handle, header.fileBytes) : undefined;
    const writer = new SafetensorsWriter(
      file,
      handle,
      new Map(progress),
      header.fileBytes,
      direct,
      digests ? digestOf(header.bytes) : undefined,
    );
    try {
      await writer.attempt(() => writeFully(handle, header.bytes, 0));
    } catch (error) {
      await writer.close();
      throw error;
    }
    return writer;
  }

  /**
   * Writes a part of a tensor, `start` bytes after its beginning. Parts may be written in any order and concurrently.
   */
  async writeAt(name: string, data: TensorData, start = 0): Promise<void> {
    const progress = this.progressOf(name);
    checkPiece(progress.spec, data, start);
    const position = progress.offset + start;
    const digest = this.digestInto(name, data, start);
    await this.attempt(async () => {
      if (data instanceof FileRange) return copyRange(data, this.handle, position, digest);
      const bytes = asBytes(data);
      const writing = writeFully(this.handle, bytes, position);
      // It is awaited below; this handler prevents an unhandled rejection until then.
      writing.catch(() => undefined);
      // Digested while the system copies the bytes.
      digest?.(bytes);
      await writing;
    });
    progress.written.push([start, start + data.byteLength]);
  }

  /** Writes all of a tensor. */
  async write(source: TensorSource): Promise<void> {
    if (this.direct) return this.stream(this.direct, [source]);
    let at = 0;
    for await (const piece of piecesOf(source)) {
      await this.writeAt(source.name, piece, at);
      at += piece.byteLength;
    }
  }

  /** Writes tensors that are consecutive in the file, in that order; as one stream if the file streams. */
  async writeAll(sources: readonly TensorSource[]): Promise<void> {
    if (this.direct) return this.stream(this.direct, sources);
    for (const source of sources) await this.write(source);
  }

  private async stream(direct: DirectOutput, sources: readonly TensorSource[]): Promise<void> {
    if (sources.length === 0) return;
    let sourceProblem: { error: unknown } | undefined;
    const checked = this.checkedPieces(sources);
    const pieces = async function* (): AsyncGenerator<Uint8Array | FileRange> {
      try {
        yield* checked;
      } catch (error) {
        sourceProblem = { error };
        throw error;
      }
    };
    await this.attempt(() => direct.write(pieces(), this.progressOf(sources[0].name).offset)).catch(
      (error: unknown) => {
        // A failed source is not a failed write.
        throw sourceProblem ? sourceProblem.error : error;
      },
    );
  }

  /** The bytes of consecutive tensors, which are digested. Throws for a tensor that is too long or too short. */
  private async *checkedPieces(sources: readonly TensorSource[]): AsyncGenerator<Uint8Array | FileRange> {
    let position = this.progressOf(sources[0].name).offset;
    for (const source of sources) {
      const { spec, offset, written } = this.progressOf(source.name);
      if (offset !== position) throw outOfOrder(source.name, 'writing in one stream');
      let at = 0;
      for await (const piece of piecesOf(source)) {
        checkPiece(spec, piece, at);
        const digest = this.digestInto(source.name, piece, at);
        if (!(piece instanceof FileRange)) {
          const bytes = asBytes(piece);
          digest?.(bytes);
          yield bytes;
        } else if (!digest) yield piece;
        else
          for await (const bytes of readRange(piece)) {
            digest(bytes);
            yield bytes;
          }
        at += piece.byteLength;
      }
      if (at !== sourceBytes(spec)) throw sizeProblem(spec, `${at} were given`);
      written.push([0, at]);
      position += at;
    }
  }

  /**
   * Checks that every tensor is complete, and flushes the file. Returns the digests, if requested. Throws
   * CheckpointError with the name of an incomplete tensor.
   */
  async finish(): Promise<TensorDigests | undefined> {
    for (const { spec, written } of this.progress.values()) {
      let at = 0;
      for (const [start, end] of written.sort((a, b) => a[0] - b[0])) if (start <= at) at = Math.max(at, end);
      if (at !== sourceBytes(spec)) throw sizeProblem(spec, `${at} were given`);
    }
    await this.attempt(() => this.handle.sync());
    if (this.headerDigest === undefined) return undefined;
    const tensors = [...this.progress].map(([name, { crc }]) => [name, formatDigest(crc)] as const);
    return { header: this.headerDigest, tensors: Object.fromEntries(tensors) };
  }

  async close(): Promise<void> {
    // The system may report a failed write only now.
    await this.attempt(async () => {
      await this.direct?.close();
      await this.handle.close();
    });
  }

  /** Digests the bytes of a piece; undefined without digests. */
  private digestInto(name: string, data: TensorData, start: number): ((bytes: Uint8Array) => void) | undefined {
    if (this.headerDigest === undefined) return undefined;
    const progress = this.progressOf(name);
    if (start !== progress.digested) throw outOfOrder(name, 'its digest');
    progress.digested += data.byteLength;
    return (bytes) => {
      progress.crc = crc32(bytes, progress.crc);
    };
  }

  private progressOf(name: string): TensorProgress {
    const progress = this.progress.get(name);
    if (!progress)
      throw new CheckpointError(`Tensor "${name}" was not announced.`, { code: 'checkpoint.missing-tensor' });
    return progress;
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      if (cause instanceof GraftError) throw cause;
      throw new WriteProblem(this.file, this.fileBytes, cause);
    }
  }
}

/** Rejects data of another dtype than the tensor's, or beyond its end. */
function checkPiece(spec: TensorSpec, data: TensorData, start: number): void {
  checkKind(spec, data);
  const end = start + data.byteLength;
  if (!Number.isSafeInteger(start) || start < 0 || end > sourceBytes(spec))
    throw sizeProblem(spec, `bytes ${start} to ${end} were given`);
}

const asBytes = (data: Exclude<TensorData, FileRange>): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

async function* piecesOf(source: TensorSource): AsyncGenerator<TensorData> {
  const data = source.data();
  if (Symbol.asyncIterator in data) yield* data;
  else yield await data;
}

/** Typed arrays are stored unchanged: under another dtype they would be read as nonsense. */
function checkKind(spec: TensorSpec, data: TensorData): void {
  if (data instanceof FileRange) return;
  // By name, not by instanceof: arrays may come from another realm.
  const kind = data[Symbol.toStringTag];
  const expected = { Float32Array: 'F32', Int32Array: 'I32', Uint8Array: spec.dtype }[kind];
  if (expected === spec.dtype) return;
  throw new CheckpointError(`Tensor "${spec.name}" is to be stored as ${spec.dtype}, but its data are a ${kind}.`, {
    code: 'checkpoint.dtype',
    hint: 'Convert them with fromFloat32.',
  });
}

function outOfOrder(name: string, what: string): CheckpointError {
  return new CheckpointError(`Tensor "${name}" was not given in order, which ${what} needs.`, {
    code: 'checkpoint.digest-order',
  });
}

function sizeProblem(spec: TensorSpec, given: string): CheckpointError {
  return new CheckpointError(
    `Tensor "${spec.name}" (${describeTensor(spec)}) takes ${sourceBytes(spec)} bytes, but ${given}.`,
    { code: 'checkpoint.tensor-size' },
  );
}

/** Writes a file with exactly this name, in a folder that appears by rename. Returns the digests, if requested. */
export async function writeSafetensorsInto(
  file: string,
  specs: readonly TensorSpec[],
  fill: (writer: SafetensorsWriter) => Promise<void>,
  options?: SafetensorsOptions,
): Promise<TensorDigests | undefined> {
  const writer = await SafetensorsWriter.create(file, specs, options);
  let digests: TensorDigests | undefined;
  try {
    await fill(writer);
    digests = await writer.finish();
  } catch (error) {
    await writer.close().catch(() => undefined);
    throw error;
  }
  await writer.close();
  return digests;
}

/** Fills a writer from sources: one after the other, or several at a time, with computed ones in parallel. */
export function inOrder(
  sources: readonly TensorSource[],
  concurrency = 1,
): (writer: SafetensorsWriter) => Promise<void> {
  return async (writer) => {
    let failed = false;
    if (concurrency <= 1) return writer.writeAll(sources);
    const work = async (queue: Iterator<TensorSource, void>): Promise<void> => {
      try {
        for (let next = queue.next(); !next.done && !failed; next = queue.next()) await writer.write(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    };
    const beside = sources.filter(({ computed }) => computed);
    const others = sources.filter(({ computed }) => !computed).values();
    // Wait for all of them: after a failure the caller closes the file.
    const results = await Promise.allSettled([
      ...Array.from({ length: concurrency }, () => work(others)),
      work(beside.values()),
    ]);
    const lost = results.find((result) => result.status === 'rejected');
    if (lost) throw lost.reason;
  };
}

/**
 * Writes a safetensors file that appears completely or not at all, in any order that `fill` chooses: for copying in
 * parallel. The layout of the file is the order of `specs`.
 */
export async function writeSafetensorsWith(
  file: string,
  specs: readonly TensorSpec[],
  fill: (writer: SafetensorsWriter) => Promise<void>,
  options?: SafetensorsOptions,
): Promise<void> {
  await writeFileAtomically(file, async (temporary) => {
    await writeSafetensorsInto(temporary, specs, fill, options);
  });
}

/** Writes a safetensors file that appears completely or not at all; one tensor is requested at a time. */
export async function writeSafetensors(
  file: string,
  sources: readonly TensorSource[],
  options?: SafetensorsOptions,
): Promise<void> {
  await writeSafetensorsWith(file, sources, inOrder(sources), options);
}
