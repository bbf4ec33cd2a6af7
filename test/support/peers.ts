/** The Python originals that `npm run test:peers` installs and compares with. */
import { cacheFolder } from '@graft/engine';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const PYTHON = join(process.env.GRAFT_PEERS_VENV ?? join(cacheFolder(), 'peers-venv'), 'bin', 'python');

/** Whether that Python has these modules. */
export function hasModules(...modules: readonly string[]): boolean {
  return (
    existsSync(PYTHON) && spawnSync(PYTHON, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' }).status === 0
  );
}
