import { ConfigError, GraftError } from '@graft/engine';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * A folder with all that it lies in. Node's own way tries for ever where the parent is there and the system says that it is
 * not, as it does for folders in /proc.
 */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (await isFolder(path)) return;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await mkdir(path).catch(async (again: unknown) => {
      // Another run may have been faster.
      if (!(await isFolder(path))) throw again;
    });
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );

/** Why no run's folder could be made, in a sentence that names the key of the config. */
export async function unmakable(folder: string, cause: unknown): Promise<GraftError> {
  const { code, message } = cause as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const reason = full ? 'the disk is full' : ((await reasonFor(code, folder)) ?? message);
  const Class = full ? GraftError : ConfigError;
  return new Class(`runs: no run folder can be made in ${folder}: ${reason}.`, {
    code: 'run.folder',
    hint: full ? 'Free some space, or set `runs:` to another folder.' : 'Set `runs:` to a folder that can be written.',
    cause,
  });
}

async function reasonFor(code: string | undefined, folder: string): Promise<string | undefined> {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENAMETOOLONG':
      return 'the name is too long';
    case 'ENOENT':
      return 'the system lets nobody make folders there';
    case 'EEXIST':
    case 'ENOTDIR':
      return `${await nearestEntry(folder)} is not a folder`;
    default:
      return undefined;
  }
}

/** The innermost part of a path that there is. */
async function nearestEntry(path: string): Promise<string> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  return there || dirname(path) === path ? path : nearestEntry(dirname(path));
}
