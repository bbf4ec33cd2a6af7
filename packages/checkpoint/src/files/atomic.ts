import { CheckpointError, formatSize, GraftError, messageOf } from '@graft/errors';
import { fileReason } from '@graft/files';
import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { unreadable } from '../safetensors/problems';

/** Names of unfinished files and folders begin so; readers ignore them. */
export const TEMPORARY_PREFIX = '.graft-tmp-';

function temporarySibling(path: string): string {
  return join(dirname(path), `${TEMPORARY_PREFIX}${basename(path)}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** A failed write, on its way to a caller that knows the file's final name. */
export class WriteProblem extends Error {
  constructor(
    readonly file: string,
    /** How large the file would have become. */
    readonly bytes: number,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause));
    this.freeBytes = freeBytesOf(dirname(file));
  }

  /** Free when the write failed: later the unfinished parts are removed, and there seems to be enough space. */
  readonly freeBytes: number | undefined;
}

function freeBytesOf(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Explains a failed write to the user, above all a full disk. To be called after the unfinished parts are removed. */
export async function writeFailure(
  target: string,
  temporary: string,
  error: unknown,
  left = 'Nothing half-written was left behind.',
): Promise<GraftError> {
  if (error instanceof GraftError) return error;
  const problem = error instanceof WriteProblem ? error : undefined;
  const cause = problem ? problem.cause : error;
  // Users know files by their final names.
  const file = (problem?.file ?? target).replace(temporary, () => target);
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const needs = problem ? `; it takes ${formatSize(problem.bytes)}` : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const freeBytes = problem ? problem.freeBytes : freeBytesOf(dirname(target));
    const free =
      freeBytes === undefined
        ? ''
        : `${needs ? ', and' : ';'} ${formatSize(freeBytes)} ${problem ? 'were' : 'are'} free`;
    const what = code === 'ENOSPC' ? 'the disk is full' : 'the disk quota is used up';
    return new CheckpointError(`${file} could not be written: ${what}${needs}${free}.`, {
      code: 'checkpoint.disk-full',
      hint: `Free some space, or write elsewhere. ${left}`,
      cause,
    });
  }
  if (code === 'EFBIG') {
    return new CheckpointError(`${file} could not be written: files may not become that large here${needs}.`, {
      code: 'checkpoint.file-too-large',
      hint: `Raise the limit on file size (ulimit -f), or write smaller shards. ${left}`,
      cause,
    });
  }
  return new CheckpointError(
    `${file} could not be written: ${fileReason(cause).replaceAll(temporary, () => target)}.`,
    {
      code: 'checkpoint.unwritable',
      cause,
    },
  );
}

/** Makes a file's bytes, or a folder's entries, survive a power cut. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Some systems and file systems cannot sync a folder; its entries are then as safe as the system makes them. */
export async function syncFolder(folder: string): Promise<void> {
  await sync(folder).catch((error: NodeJS.ErrnoException) => {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(error.code ?? '')) throw error;
  });
}

/**
 * Creates a folder and its parents, so that they survive a power cut. Node's recursive mkdir loops forever if the
 * parent exists but the system reports that it does not, as for folders in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const parent = dirname(resolve(path));
  const isFolder = (): Promise<boolean> =>
    stat(path).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder()) return;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === resolve(path)) throw error;
    await makeFolder(parent);
    await mkdir(path).catch(async (again: unknown) => {
      // Another process may have been faster.
      if (!(await isFolder())) throw again;
    });
  }
  await syncFolder(parent);
}

/** Creates a folder, but not its parents. Returns false if something of that name exists already. */
export async function makeOneFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Makes the entries of a folder, and of all folders in it, survive a power cut. */
async function syncFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await syncFolders(join(folder, entry.name));
  await syncFolder(folder);
}

/**
 * Calls `write` with a temporary name next to `file`, which is renamed to `file` on success. The parent folder is
 * created unless `makeParents` is false.
 */
export async function writeFileAtomically(
  file: string,
  write: (temporary: string) => Promise<void>,
  { makeParents = true }: { makeParents?: boolean } = {},
): Promise<void> {
  const temporary = temporarySibling(file);
  try {
    if (makeParents) await makeFolder(dirname(file));
    await write(temporary);
    await sync(temporary);
    await rename(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw await writeFailure(file, temporary, error);
  }
}

/**
 * Calls `write` with a temporary folder next to `folder`, which is renamed to `folder` on success. An existing `folder`
 * is an error unless `overwrite`; then the old one is removed only once the new one is complete. The parent folder is
 * created unless `makeParents` is false.
 */
export async function writeFolderAtomically(
  folder: string,
  write: (temporary: string) => Promise<void>,
  options: { overwrite?: boolean; makeParents?: boolean } = {},
): Promise<void> {
  const exists = await isThere(folder);
  if (exists && !options.overwrite) {
    throw new CheckpointError(`${folder} exists already.`, {
      code: 'checkpoint.exists',
      exitCode: 2,
      hint: 'Name another folder, or remove this one first.',
    });
  }
  const temporary = temporarySibling(folder);
  try {
    if (options.makeParents ?? true) await makeFolder(dirname(folder));
    await mkdir(temporary);
    await write(temporary);
    await syncFolders(temporary);
    if (exists) await replaceFolder(temporary, folder);
    else await rename(temporary, folder);
    await syncFolder(dirname(folder));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw await writeFailure(folder, temporary, error);
  }
}

/**
 * A folder cannot be renamed over another one: the old one is renamed first, and restored if the new one cannot replace
 * it.
 */
async function replaceFolder(temporary: string, folder: string): Promise<void> {
  const old = temporarySibling(folder);
  await rename(folder, old);
  try {
    await rename(temporary, folder);
  } catch (error) {
    await rename(old, folder);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

export function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Removes a file or folder by way of a temporary name, so that no reader finds half of it. */
export async function removeAtomically(path: string): Promise<void> {
  const doomed = temporarySibling(path);
  try {
    await rename(path, doomed);
    await rm(doomed, { recursive: true, force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new CheckpointError(`${path} could not be removed: ${fileReason(cause)}.`, {
      code: 'checkpoint.unwritable',
      cause,
    });
  }
}

/** Removes the unfinished files of killed processes in a folder. Nobody else may be writing there. */
export async function removeTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw unreadable(folder, cause);
  });
  for (const name of names)
    if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
}
