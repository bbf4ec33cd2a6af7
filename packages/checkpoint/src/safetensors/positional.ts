import type { FileHandle } from 'node:fs/promises';
import { crc32 } from './digest';
import { malformed, unreadable } from './problems';

/** Maximum bytes of one system call: Node rejects lengths from 2^31 on, and tensors may be longer. */
const LARGEST_TRANSFER = 1 << 30;

/** Fills `target` from `position` on. Throws CheckpointError if the file ends before. */
export async function readFully(handle: FileHandle, file: string, target: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < target.length;) {
    const length = Math.min(target.length - done, LARGEST_TRANSFER);
    const { bytesRead } = await handle.read(target, done, length, position + done).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
    if (bytesRead === 0) {
      throw malformed(file, `it ends at byte ${position + done}, expected at least ${position + target.length}`);
    }
    done += bytesRead;
  }
}

/** Bytes per read if they are digested: while one piece is digested, the next one is read. */
const DIGESTED_PIECE = 4 << 20;

/** Like `readFully`, but returns the CRC-32 of the bytes. */
export async function readDigested(
  handle: FileHandle,
  file: string,
  target: Uint8Array,
  position: number,
): Promise<number> {
  const read = (at: number): Promise<void> =>
    readFully(handle, file, target.subarray(at, at + DIGESTED_PIECE), position + at);
  let crc = 0;
  let ahead = read(0);
  for (let at = 0; at < target.length; at += DIGESTED_PIECE) {
    await ahead;
    if (at + DIGESTED_PIECE < target.length) ahead = read(at + DIGESTED_PIECE);
    crc = crc32(target.subarray(at, at + DIGESTED_PIECE), crc);
  }
  return crc;
}

/** Writes all of `bytes` at `position`. Errors are the system's own. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(bytes.length - done, LARGEST_TRANSFER);
    done += (await handle.write(bytes, done, length, position + done)).bytesWritten;
  }
}
