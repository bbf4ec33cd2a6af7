import { ConfigError, GraftError } from '@graft/engine';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Why Graft could not create a run's folder, in a sentence that names the key of the config. */
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

/** The innermost part of a path that exists. */
async function nearestEntry(path: string): Promise<string> {
  const there = await stat(path).then(
    () => true,
    () => false,
  );
  return there || dirname(path) === path ? path : nearestEntry(dirname(path));
}
