import { PluginError } from '@graft/engine';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/**
 * Packages of which a process should load one copy: each copy has its own registries, tokens or tensors, which other
 * copies cannot see.
 */
const SINGLE = ['@graft/core', '@graft/engine', '@tensorflow/tfjs-core', 'tsyringe'];

interface Copy {
  readonly folder: string;
  readonly version: string;
}

/**
 * Throws PluginError if two copies of such a package are loaded; the message names their folders and the command that
 * removes one. `files`: paths of the loaded modules.
 */
export function refuseDuplicates(files: readonly string[] = Object.keys(require.cache)): void {
  for (const name of SINGLE) {
    const copies = copiesOf(name, files);
    if (copies.length < 2) continue;
    const list = copies.map(({ folder, version }) => `${version} in ${folder}`).join(' and ');
    throw new PluginError(`Two copies of ${name} are loaded, which do not know of each other: ${list}.`, {
      code: 'plugin.duplicate-package',
      exitCode: 2,
      hint: name.startsWith('@graft/')
        ? `Run \`npm dedupe\`; if both stay, \`npm explain ${name}\` shows which package brings the second: it should be one of its peerDependencies.`
        : `Run \`npm dedupe\`; if both stay, \`npm explain ${name}\` shows which package brings the second.`,
    });
  }
}

/** Folders of a package among the files, in loading order. Workspaces are loaded from `packages/`, not by name. */
function copiesOf(name: string, files: readonly string[]): Copy[] {
  const end = `${sep}node_modules${sep}${name.split('/').join(sep)}${sep}`;
  const folders = new Set<string>();
  for (const file of files) {
    const at = file.lastIndexOf(end);
    if (at >= 0) folders.add(file.slice(0, at + end.length - 1));
  }
  if (name.startsWith('@graft/')) {
    const own = ownFolder(name);
    if (own !== undefined && files.some((file) => file.startsWith(own + sep))) folders.add(own);
  }
  return [...folders].map((folder) => ({ folder, version: versionIn(folder) }));
}

/** Folder of this copy of core, or of a package that it resolves. In a clone of Graft, it is not in node_modules. */
function ownFolder(name: string): string | undefined {
  if (name === '@graft/core') return join(__dirname, '..', '..');
  try {
    return dirname(realpathSync(require.resolve(`${name}/package.json`)));
  } catch {
    return undefined;
  }
}

function versionIn(folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return 'unknown version';
  }
}
