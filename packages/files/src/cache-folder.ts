import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** The folder for downloads, converted checkpoints and compiled code: GRAFT_CACHE, otherwise the user's cache folder. */
export function cacheFolder(): string {
  if (process.env.GRAFT_CACHE) return resolve(process.env.GRAFT_CACHE);
  // The specification of XDG_CACHE_HOME says to ignore relative paths.
  const user = process.env.XDG_CACHE_HOME ?? '';
  return join(isAbsolute(user) ? user : join(homedir(), '.cache'), 'graft');
}
