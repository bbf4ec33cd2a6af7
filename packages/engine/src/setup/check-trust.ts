import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { mendingCommand, untrustedEntry, type Untrusted } from '@graft/files';
import { cacheFolder, codeFolder } from './cache-folder';
import { compiledFolder } from './compile-cache';
import type { DoctorCheck } from './doctor-check';
import { libraryCacheFolder } from './find';
import type { NativeLibrary } from './native-library';
import { filesOf, RELEASE, TENSORFLOW, type Bundle, type Release } from './release';
import { firstUntrusted, untrustedPart } from './trust';
import { hashFile } from './unpack';

/** What is installed in a folder of the cache. */
export interface Installed {
  readonly bundle: Bundle;
  readonly folder: string;
}

/** Folders of the cache whose files are executed: compiled configs and plugins, and XLA's programs. */
const CODE_FOLDERS = [codeFolder, compiledFolder];

/**
 * Whether only this user could have written the executed files of the library in use and of the cache; `plugins`: what is
 * installed beside the library.
 */
export function checkTrust(library: NativeLibrary | undefined, plugins: readonly Installed[] = []): DoctorCheck {
  const installed = [{ bundle: TENSORFLOW, folder: libraryCacheFolder() }, ...plugins];
  const untrusted = (library && untrustedPart(library)) ?? untrustedInCache(installed);
  if (!untrusted) return { name: 'owners', status: 'ok', detail: 'what is executed belongs to you or root alone' };
  const inCache = library?.origin === 'cache' || untrusted.path.startsWith(cacheFolder());
  const { bundle } = installed.find(({ folder }) => untrusted.path.startsWith(folder)) ?? installed[0];
  const then = inCache ? `, then \`${bundle.command} --verify\`` : '';
  return {
    name: 'owners',
    status: library?.origin === 'option' || library?.origin === 'environment' ? 'warn' : 'fail',
    detail: `${untrusted.path}: ${untrusted.reason}`,
    advice: `Others could make you run their code. Run \`${mendingCommand(untrusted)}\`${then}.`,
  };
}

function untrustedInCache(installed: readonly Installed[]): Untrusted | undefined {
  const root = cacheFolder();
  const files = installed.flatMap(({ bundle, folder }) => filesOf(bundle).map(({ name }) => join(folder, name)));
  const untrusted = firstUntrusted(root, [...files, ...CODE_FOLDERS.map((folder) => folder())]);
  if (untrusted) return untrusted;
  // In folders with mode 0700 only the owner matters.
  for (const folder of CODE_FOLDERS)
    for (const path of entriesBelow(folder())) {
      const found = untrustedEntry(path, lstatSync(path));
      if (found?.kind === 'owner') return found;
    }
  return undefined;
}

function entriesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  } catch {
    return [];
  }
}

/** Compares every byte of the library in use with the release's hashes, which are part of Graft: a second or two. */
export async function checkHashes(library: NativeLibrary, release: Release = RELEASE): Promise<DoctorCheck> {
  if (library.origin !== 'cache') {
    const hashes = [];
    for (const file of [library.cc, library.framework]) hashes.push(`${file} has the SHA-256 ${await hashFile(file)}`);
    return {
      name: 'hashes',
      status: 'warn',
      detail: `${hashes.join('; ')}; Graft knows the hashes only of what \`graft engine install\` fetches`,
    };
  }
  const what = `${release.package} ${release.version}`;
  return checkInstalled({ bundle: { ...TENSORFLOW, what, releases: [release] }, folder: library.folder });
}

/** As `checkHashes`, for what is installed in the cache. */
export async function checkInstalled({ bundle, folder }: Installed): Promise<DoctorCheck> {
  const files = filesOf(bundle);
  for (const { name, sha256 } of files) {
    const file = join(folder, name);
    const hash = await hashFile(file);
    if (hash === sha256) continue;
    return {
      name: 'hashes',
      status: 'fail',
      detail: `${file} has the SHA-256 ${hash}, expected ${sha256}: it is damaged or not what it should be`,
      advice: `Run \`${bundle.command} --verify\`, which fetches it again.`,
    };
  }
  const count = `${files.length} ${files.length === 1 ? 'file' : 'files'}`;
  return {
    name: 'hashes',
    status: 'ok',
    detail: `${count} of ${bundle.what} ${files.length === 1 ? 'is' : 'are'} as released`,
  };
}
