import { ConfigError, PluginError } from '@graft/engine';
import { untrustedEntry, type TrustOptions, type Untrusted } from '@graft/files';
import { lstatSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The first of these paths that another user has written, or every user can: each entry itself, and its target. */
function untrustedOf(paths: readonly string[], options: TrustOptions): Untrusted | undefined {
  for (const path of paths)
    for (const look of [lstatSync, statSync]) {
      const entry = look(path, { throwIfNoEntry: false });
      const found = entry && untrustedEntry(path, entry, { ...options, groupMayWrite: true });
      if (found) return found;
    }
  return undefined;
}

/**
 * Throws ConfigError for a config that was found, not named, if another user put it there. It may be code, or name
 * code.
 */
export function checkFoundConfig(file: string, options: TrustOptions = {}): void {
  const untrusted = untrustedOf([dirname(file), file], options);
  if (!untrusted) return;
  const what = untrusted.path === file ? 'it' : `its folder ${untrusted.path}`;
  throw new ConfigError(
    `No config was named, and ${file} is not taken: ${untrusted.reason.replace(/^it (?=belongs)/, `${what} `)}.`,
    {
      code: 'config.untrusted',
      hint: `Configs can run code. If you trust this one, name it: \`graft run ${file}\`.`,
    },
  );
}

/**
 * Throws PluginError for a package that was found in the node_modules of a folder or its parents, if another user put
 * it there. `file`: the code that would run.
 */
export function checkFoundPackage(name: string, file: string, folder: string, options: TrustOptions): void {
  const untrusted = untrustedPackage(name, file, folder, options);
  if (!untrusted) return;
  throw new PluginError(
    `Plugin "${name}" is not loaded: ${file} is not yours alone (${untrusted.path}: ${untrusted.reason}).`,
    {
      code: 'plugin.untrusted',
      exitCode: 2,
      hint: 'If you trust it, name that file instead of the package.',
    },
  );
}

/** The part of a found package that another user has put there; `file`: the code that would run. */
export function untrustedPackage(
  name: string,
  file: string,
  folder: string,
  options: TrustOptions,
): Untrusted | undefined {
  return untrustedOf([...placesOf(name, folder), dirname(file), file], options);
}

/** The node_modules folder and the package in it to which a name resolves from a folder. */
function placesOf(name: string, folder: string): string[] {
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, 'node_modules');
    if (lstatSync(join(modules, name), { throwIfNoEntry: false })) return [modules, join(modules, name)];
    if (dirname(at) === at) return [];
  }
}

/** The owner of a folder; none if it does not exist. */
export function ownersOf(folder: string): number[] {
  const entry = statSync(folder, { throwIfNoEntry: false });
  return entry ? [entry.uid] : [];
}
