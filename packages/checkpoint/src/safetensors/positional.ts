import type { FileHandle } from 'node:fs/promises';
import { crc32 } from './digest';
import { malformed, unreadable } from './problems';

/** One system call moves at most this much: Node refuses lengths from 2^31 on, and tensors are longer. */
const LARGEST_TRANSFER = 1 << 30;

/** Fills `target` from `position` on. Throws CheckpointError when the file ends before. */
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

/** Read at a time where the bytes are digested: as one piece is, the next one comes from the disk. */
const DIGESTED_PIECE = 4 << 20;

/** `readFully`; returns the CRC-32 of what was read. */
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
