import { CheckpointError } from '@graft/engine';
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Names of unfinished files and folders begin so; readers ignore them. */
export const TEMPORARY_PREFIX = '.graft-tmp-';

export function temporarySibling(path: string): string {
  return join(dirname(path), `${TEMPORARY_PREFIX}${basename(path)}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** What a failed write means for the user; a full disk above all. */
export async function writeFailure(path: string, cause: unknown): Promise<CheckpointError> {
  if (cause instanceof CheckpointError) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    const free = await statfs(dirname(path))
      .then(({ bavail, bsize }) => ` (${((bavail * bsize) / 2 ** 20).toFixed(0)} MiB free)`)
      .catch(() => '');
    return new CheckpointError(`${path} could not be written: the disk is full${free}.`, {
      code: 'checkpoint.disk-full',
      hint: 'Free some space, or write elsewhere. Nothing half-written was left behind.',
      cause,
    });
  }
  return new CheckpointError(`${path} could not be written: ${(cause as Error).message}.`, {
    code: 'checkpoint.unwritable',
    cause,
  });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Calls `write` with a temporary name beside `file`, which becomes `file` by rename when all went well. */
export async function writeFileAtomically(file: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporarySibling(file);
  try {
    await mkdir(dirname(file), { recursive: true });
    await write(temporary);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw await writeFailure(file, error);
  }
}

/**
 * Calls `write` with a temporary folder beside `folder`, which becomes `folder` by rename when all went well. An existing
 * `folder` is an error unless `overwrite`; then the old one goes only when the new one is whole.
 */
export async function writeFolderAtomically(
  folder: string,
  write: (temporary: string) => Promise<void>,
  options: { overwrite?: boolean } = {},
): Promise<void> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  if (exists && !options.overwrite) {
    throw new CheckpointError(`${folder} exists already.`, {
      code: 'checkpoint.exists',
      exitCode: 2,
      hint: 'Name another folder, or remove this one first.',
    });
  }
  const temporary = temporarySibling(folder);
  try {
    await mkdir(temporary, { recursive: true });
    await write(temporary);
    await sync(temporary);
    if (exists) {
      const old = temporarySibling(folder);
      await rename(folder, old);
      await rename(temporary, folder);
      await rm(old, { recursive: true, force: true });
    } else {
      await rename(temporary, folder);
    }
    await sync(dirname(folder));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw await writeFailure(folder, error);
  }
}
