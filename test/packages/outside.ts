import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../support';
import { packAll } from './tarballs';

const run = promisify(execFile);

/** Links the packages in one node_modules folder, without Graft's own, into another. */
function linkOthers(from: string, to: string): void {
  if (!existsSync(from)) return;
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (['@graft', 'graft-quickstart', '.package-lock.json', '.cache'].includes(name)) continue;
    symlinkSync(join(from, name), join(to, name), 'junction');
  }
}

/**
 * A folder outside the repository in which Graft is installed from its tarballs, without a network: Graft's packages are
 * unpacked, those of others are links to the repository's. Folders within it find all of them, as a project does.
 */
export async function installTarballs(home: string): Promise<void> {
  const modules = join(home, 'node_modules');
  linkOthers(join(ROOT, 'node_modules'), modules);
  for (const { manifest, folder, file } of await packAll(join(home, 'tarballs'))) {
    const target = join(modules, manifest.name);
    mkdirSync(target, { recursive: true });
    await run('tar', ['-xzf', file, '--strip-components=1', '-C', target]);
    // Of some packages there are two versions: the rarer one is in the workspace that needs it.
    linkOthers(join(ROOT, folder, 'node_modules'), join(target, 'node_modules'));
  }
}
