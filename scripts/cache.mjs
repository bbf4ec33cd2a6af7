import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Graft keeps what it downloads; the same rule as in @graft/engine. */
export function cacheFolder() {
  return process.env.GRAFT_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'graft');
}
