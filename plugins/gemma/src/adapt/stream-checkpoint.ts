/** Checkpoints that are written from other checkpoints, tensor by tensor: the common part of `adapt` and `export`. */
import {
  CheckpointError,
  fromFloat32,
  isFloatDtype,
  storedWidth,
  toFloat32,
  type CheckpointContents,
  type CheckpointReader,
  type StoredDtype,
  type TensorSource,
} from '@graft/checkpoint';
import {
  sourceBytes,
  writeCheckpointResumably,
  type FileRange,
  type ResumableOptions,
} from '@graft/checkpoint/internal';
import { stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ExpandedHeads } from './expanded-heads';

/** Tensors that are copied at a time: one is read while the other is written. */
const CONCURRENCY = 2;
/** Bytes of a tensor read at a time if its dtype changes; twice that is in memory for each tensor being copied. */
const CONVERTED_BYTES = 1 << 20;

export interface StreamedSource extends TensorSource {
  data(): AsyncIterable<Uint8Array | FileRange>;
}

/** How far writing a checkpoint is. */
export interface StreamProgress {
  readonly tensor: string;
  readonly doneTensors: number;
  readonly tensors: number;
  readonly doneBytes: number;
  readonly bytes: number;
}

interface Reporting {
  readonly signal?: AbortSignal;
  /** Called after every piece that was written, and once for the files that were found. */
  readonly onProgress?: (progress: StreamProgress) => void;
  /** For the CheckpointError after an abort: the activity (`Adapting into FOLDER`), and the code. */
  readonly doing: string;
  readonly interruptedCode: string;
}

/** How the caller wants a folder to be written. */
interface StreamSettings
  extends Pick<Reporting, 'signal' | 'onProgress'>, Pick<ResumableOptions, 'resume' | 'onWatch'> {
  readonly out: string;
  readonly maxShardBytes?: number;
}

/** What is written into it. */
interface StreamedCheckpoint
  extends Omit<CheckpointContents, 'tensors' | 'maxShardBytes' | 'concurrency'>, Pick<Reporting, 'interruptedCode'> {
  readonly tensors: readonly StreamedSource[];
  /** What is done to the folder: `Adapting`. */
  readonly verb: string;
  /** The choices behind the contents, as JSON: a resumed call must have made the same. */
  readonly plan: Readonly<Record<string, unknown>>;
  /** The checkpoints that the tensors come from. */
  readonly sources: readonly CheckpointReader[];
}

/**
 * Writes a folder from other checkpoints; see `writeCheckpointResumably`. Returns the bytes of its tensors. Throws
 * CheckpointError if the disk has less space, or after an abort.
 */
export async function writeStreamed(
  { out, maxShardBytes, signal, onProgress, resume, onWatch }: StreamSettings,
  { tensors, verb, interruptedCode, plan, sources, ...contents }: StreamedCheckpoint,
): Promise<number> {
  const bytes = tensors.reduce((sum, source) => sum + sourceBytes(source), 0);
  await checkFreeSpace(out, bytes);
  const doing = `${verb} into ${out}`;
  const { reported, onKept } = reporting(tensors, bytes, { signal, onProgress, doing, interruptedCode });
  await writeCheckpointResumably(
    out,
    { ...contents, tensors: reported, maxShardBytes, concurrency: CONCURRENCY },
    { plan: { ...plan, maxShardBytes, sources: await fingerprint(sources) }, resume, onKept, onWatch },
  );
  return bytes;
}

/** Sources that report their progress, and stop on request. `onKept`: called for tensors that are already written. */
function reporting(
  tensors: readonly StreamedSource[],
  bytes: number,
  { signal, onProgress, doing, interruptedCode }: Reporting,
): { reported: StreamedSource[]; onKept: (kept: readonly TensorSource[]) => void } {
  let doneTensors = 0;
  let doneBytes = 0;
  const progress = (name: string, moreBytes: number, moreTensors: number): void => {
    doneBytes += moreBytes;
    doneTensors += moreTensors;
    onProgress?.({ tensor: name, doneTensors, tensors: tensors.length, doneBytes, bytes });
  };
  const reported = tensors.map((source) => ({
    ...source,
    data: async function* () {
      for await (const piece of source.data()) {
        if (signal?.aborted)
          throw new CheckpointError(`${doing} was interrupted at ${Math.floor(100 * (doneBytes / bytes))} %.`, {
            code: interruptedCode,
            hint: 'Files that were finished are kept; the same call with resume (--resume) continues from there.',
          });
        yield piece;
        progress(source.name, piece.byteLength, 0);
      }
      progress(source.name, 0, 1);
    },
  }));
  const onKept = (kept: readonly TensorSource[]): void => {
    for (const source of kept) progress(source.name, sourceBytes(source), 1);
  };
  return { reported, onKept };
}

/** Identifies the sources' files, so that a resumed call uses the same ones. */
async function fingerprint(readers: readonly CheckpointReader[]): Promise<string[]> {
  const files = readers.flatMap((reader) => [...reader.tensors.values()].map(({ file }) => file));
  return Promise.all(
    [...new Set(files)].map(async (file) => {
      const { size, mtimeMs } = await stat(file);
      return `${resolve(file)}, ${size} bytes, changed ${new Date(mtimeMs).toISOString()}`;
    }),
  );
}

/** Throws CheckpointError if the disk has less space than the new folder needs. */
async function checkFreeSpace(out: string, bytes: number): Promise<void> {
  let folder = dirname(resolve(out));
  // The folder's parents may not exist before it is written.
  let fileSystem = await statfs(folder).catch(() => undefined);
  while (!fileSystem && dirname(folder) !== folder) {
    folder = dirname(folder);
    fileSystem = await statfs(folder).catch(() => undefined);
  }
  if (!fileSystem || fileSystem.bavail * fileSystem.bsize >= bytes) return;
  const gigabytes = (value: number): string => `${(value / 1e9).toFixed(1)} GB`;
  throw new CheckpointError(
    `${out} would take ${gigabytes(bytes)}, but ${folder} has ${gigabytes(fileSystem.bavail * fileSystem.bsize)} left.`,
    { code: 'checkpoint.disk-full', hint: 'Free some space, write elsewhere, or store a narrower dtype.' },
  );
}

/**
 * A stored tensor's bytes in another dtype, chunk by chunk; unchanged if the dtypes agree. `heads`: see `AdaptStep`.
 */
export async function* converted(
  reader: CheckpointReader,
  name: string,
  dtype: StoredDtype,
  heads: ExpandedHeads = { from: 1, to: 1 },
  /** Default: pieces of any size, also ranges of files. */
  pieceBytes?: number,
): AsyncGenerator<Uint8Array | FileRange> {
  const { dtype: stored, file, byteLength } = reader.info(name);
  if (!isFloatDtype(stored)) {
    throw new CheckpointError(
      `${file}: "${name}" holds ${stored}, no floating-point numbers; expected F32, F16 or BF16.`,
      {
        code: 'checkpoint.dtype',
      },
    );
  }
  const times = heads.to / heads.from;
  // A head is repeated as a whole: its rows come as one piece.
  const headBytes = times > 1 ? byteLength / heads.from : undefined;
  const pieces = async function* (): AsyncGenerator<Uint8Array | FileRange> {
    if (pieceBytes !== undefined) {
      const storedBytes = (pieceBytes / storedWidth(dtype)) * storedWidth(stored);
      for await (const chunk of reader.chunks(name, storedBytes))
        yield stored === dtype ? Uint8Array.from(chunk) : fromFloat32(toFloat32(chunk, stored), dtype);
    } else if (stored === dtype) yield* reader.ranges(name, headBytes);
    else
      for await (const chunk of reader.chunks(name, headBytes ?? CONVERTED_BYTES))
        yield fromFloat32(toFloat32(chunk, stored), dtype);
  };
  for await (const piece of pieces()) for (let i = 0; i < times; i++) yield piece;
}

/** A row of a stored matrix, times a factor: float32. */
export async function scaledRow(
  reader: CheckpointReader,
  name: string,
  { index, factor }: { readonly index: number; readonly factor: number },
): Promise<Float32Array> {
  const { dtype, shape, byteLength } = reader.info(name);
  const rowBytes = byteLength / shape[0];
  const row = toFloat32(await reader.readBytes(name, { start: index * rowBytes, end: (index + 1) * rowBytes }), dtype);
  return Float32Array.from(row, (value) => value * factor);
}

/** The stored dtype if all tensors agree on bfloat16 or float16, otherwise float32. */
export function commonDtype(readers: readonly CheckpointReader[]): 'F32' | 'F16' | 'BF16' {
  const dtypes = new Set(readers.flatMap((reader) => [...reader.tensors.values()].map(({ dtype }) => dtype)));
  const [first] = dtypes;
  return dtypes.size === 1 && (first === 'F16' || first === 'BF16') ? first : 'F32';
}
