import type { Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { FileProblem, problemOf } from './problem';
import { kindOf, READ_FLAGS, readRegularFile, readToEnd, type ReadOptions } from './regular-file';

/** Seconds that a FIFO in a folder waits for a process that writes to it. */
const WRITER_SECONDS = 10;
const POLL_MS = 20;

/** Pipes and files that this process inherited from its parent: `/dev/stdin`, `<(command)` of a shell. */
const INHERITED = /^\/dev\/(stdin|fd\/\d+)$|^\/proc\/(self|\d+)\/fd\/\d+$/;

/** Options of `readInput`. */
export interface InputOptions extends ReadOptions {
  /** Seconds to wait for a process that writes to a FIFO. Default: 10. */
  readonly writerSeconds?: number;
}

/**
 * Reads an input of the user once, from beginning to end: a regular file, a FIFO or a terminal. For the end of the
 * latter two it waits without blocking a thread of Node's pool. Throws FileProblem for other devices, for sockets and
 * folders, and for a FIFO that no process opens for writing.
 */
export async function readInput(path: string, options: InputOptions = {}): Promise<Buffer> {
  let entry: Stats;
  try {
    entry = await stat(path);
  } catch (cause) {
    throw problemOf(cause);
  }
  if (!entry.isFIFO() && !entry.isCharacterDevice()) return readRegularFile(path, options);
  let handle: FileHandle;
  try {
    handle = await open(path, READ_FLAGS);
  } catch (cause) {
    throw problemOf(cause);
  }
  try {
    const opened = await handle.stat();
    if (!opened.isFIFO() && !isatty(handle.fd))
      throw new FileProblem(`it is a ${kindOf(opened)}, not a file or a FIFO`, 'NOT_REGULAR');
    return await readToEnd(waiting(handle, resolve(path), options), 0, options);
  } finally {
    await handle.close();
  }
}

/**
 * Repeats reads of a pipe that does not contain data yet, or that no process has opened for writing yet, until they
 * return bytes or the end.
 */
function waiting(
  handle: FileHandle,
  path: string,
  { writerSeconds = WRITER_SECONDS }: InputOptions,
): Pick<FileHandle, 'read'> {
  const mayLackWriter = !INHERITED.test(path);
  const from = performance.now();
  let hadWriter = !mayLackWriter;
  const read = async (...where: [Buffer, number, number, null]): Promise<{ bytesRead: number; buffer: Buffer }> => {
    for (;;) {
      try {
        const result = await handle.read(...where);
        if (result.bytesRead > 0) hadWriter = true;
        // A FIFO without a writer also reports its end.
        if (hadWriter) return result;
        if (performance.now() - from > writerSeconds * 1000)
          throw new FileProblem(`it is a FIFO to which no process has written for ${writerSeconds} s`, 'NO_WRITER');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        hadWriter = true;
      }
      await sleep(POLL_MS);
    }
  };
  return { read } as unknown as Pick<FileHandle, 'read'>;
}
