import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** Where Graft keeps what it downloads; the same rule as in @graft/engine. */
export function cacheFolder() {
  if (process.env.GRAFT_CACHE) return resolve(process.env.GRAFT_CACHE);
  const user = process.env.XDG_CACHE_HOME ?? '';
  return join(isAbsolute(user) ? user : join(homedir(), '.cache'), 'graft');
}
