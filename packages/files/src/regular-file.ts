import { closeSync, constants, fstatSync, openSync, statSync, type ReadStream, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { formatSize } from '@graft/errors';
import { FileProblem, problemOf } from './problem';

/**
 * Maximum size of a file that is read whole, in bytes, unless its reader sets another limit. JavaScript's strings
 * cannot be much longer.
 */
export const LARGEST_WHOLE_FILE_BYTES = 1 << 28;
/** Maximum bytes of a settings file: a config, a config.json, a manifest. */
export const LARGEST_SETTINGS_BYTES = 1 << 24;

/** Bytes per read if the size of a file is unknown. */
const READ_BYTES = 1 << 16;

/**
 * Without O_NONBLOCK, opening a FIFO blocks a thread of Node's pool until a process writes to it, possibly forever. The
 * flag does not affect reads of regular files.
 */
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

function checkRegular(entry: Stats): void {
  if (entry.isFile()) return;
  if (entry.isDirectory()) throw new FileProblem('it is a folder', 'EISDIR');
  throw new FileProblem(`it is a ${kindOf(entry)}, not a regular file`, 'NOT_REGULAR');
}

export function kindOf(entry: Stats): string {
  if (entry.isFIFO()) return 'FIFO';
  if (entry.isSocket()) return 'socket';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'device' : 'thing of an unknown kind';
}

/**
 * Opens a file for reading. Throws FileProblem at once if it is not a regular file: a folder, or a FIFO, a socket or a
 * device, which may block a reader forever or never end.
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    // Checked before opening, because opening a device may have effects, and after, because the file may have been
    // replaced.
    checkRegular(await stat(path));
    const handle = await open(path, READ_FLAGS);
    try {
      checkRegular(await handle.stat());
    } catch (error) {
      await handle.close();
      throw error;
    }
    return handle;
  } catch (cause) {
    throw problemOf(cause);
  }
}

/** Throws FileProblem, as `openRegularFile` does. Use it before passing a path to a third-party reader. */
export async function checkRegularFile(path: string): Promise<void> {
  await (await openRegularFile(path)).close();
}

/** The same as `openRegularFile`, for synchronous code. Returns the descriptor, which the caller closes. */
export function openRegularFileSync(path: string): number {
  try {
    checkRegular(statSync(path));
    const descriptor = openSync(path, READ_FLAGS);
    try {
      checkRegular(fstatSync(descriptor));
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return descriptor;
  } catch (cause) {
    throw problemOf(cause);
  }
}

/** How much is read at most. */
export interface ReadOptions {
  /** Maximum size in bytes; a longer file is an error. Default: LARGEST_WHOLE_FILE_BYTES. */
  readonly maxBytes?: number;
}

/** Reads a whole regular file. Throws FileProblem; if the file is too large, before reading it. */
export async function readRegularFile(path: string, options: ReadOptions = {}): Promise<Buffer> {
  const handle = await openRegularFile(path);
  try {
    return await readToEnd(handle, (await handle.stat()).size, options);
  } finally {
    await handle.close();
  }
}

/**
 * Reads an open file from its current position to the end. `size`: expected number of bytes; files under /proc report
 * 0, and a file may grow while it is read.
 */
export async function readToEnd(
  handle: Pick<FileHandle, 'read'>,
  size: number,
  { maxBytes = LARGEST_WHOLE_FILE_BYTES }: ReadOptions,
): Promise<Buffer> {
  if (size > maxBytes)
    throw new FileProblem(`it has ${formatSize(size)}, expected at most ${formatSize(maxBytes)}`, 'TOO_LARGE');
  // One byte more than expected, so that the end is detected without another buffer.
  let bytes = Buffer.allocUnsafe(size === 0 ? READ_BYTES : size + 1);
  for (let length = 0; ;) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, null).catch((cause: unknown) => {
      throw problemOf(cause);
    });
    if (bytesRead === 0) return bytes.subarray(0, length);
    length += bytesRead;
    if (length > maxBytes)
      throw new FileProblem(`it has more than the ${formatSize(maxBytes)} that are read`, 'TOO_LARGE');
    if (length === bytes.length) bytes = Buffer.concat([bytes], 2 * length);
  }
}

/** Which part of a file is streamed, and in which chunks. */
export interface StreamOptions {
  /** First byte. Default: 0. */
  readonly start?: number;
  /** Bytes per chunk. */
  readonly highWaterMark?: number;
}

/** A regular file as a stream, which closes the file at its end. Throws FileProblem as `openRegularFile` does. */
export async function streamRegularFile(path: string, options: StreamOptions = {}): Promise<ReadStream> {
  return (await openRegularFile(path)).createReadStream({ ...options, autoClose: true }) as ReadStream;
}
