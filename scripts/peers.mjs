import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.mjs';

/** The peers' virtual environment with these modules in it; made and filled where that is missing. Ends the process where it cannot. */
export function installPeers(modules) {
  const venv = process.env.GRAFT_PEERS_VENV ?? join(cacheFolder(), 'peers-venv');
  const python = join(venv, 'bin', 'python');
  if (!existsSync(python)) {
    console.log(`Installing the peers into ${venv} …`);
    const made = spawnSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
    if (made.status !== 0) {
      console.error("Python's venv module is missing; on Debian, `apt-get install python3-venv` brings it.");
      process.exit(1);
    }
  }
  const has = (module) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
  const missing = modules.filter((module) => !has(module));
  if (missing.length > 0) {
    const installed = spawnSync(python, ['-m', 'pip', 'install', '--quiet', ...missing], { stdio: 'inherit' });
    if (installed.status !== 0) process.exit(1);
  }
  return { venv, python };
}
