import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, rmSync, type Stats } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { findUntrusted, makePrivateFolder, untrustedEntry } from '@graft/files';
import { cacheFolder } from './cache-folder';
import type { NativeLibrary } from './native-library';
import { warnOfUntrusted } from './trust';

/** Programs that were not used for this many days are removed. */
const KEPT_DAYS = 30;
/** A file that a run is writing has its own suffix; an older one is left over from a killed run. */
const UNFINISHED = /\.tmp$/;
const HOUR_MS = 3_600_000;

/** The folder with the programs of all libraries. */
export function compiledFolder(): string {
  return join(cacheFolder(), 'compiled');
}

/**
 * Makes the library store XLA's compiled programs in a folder, and load them in later processes. Must be called before
 * the library is loaded, which reads its settings from the environment. Returns the folder; undefined, after a warning,
 * if somebody else could have put programs there.
 *
 * Compiled code belongs to one library on one kind of processor: others get separate folders.
 */
export function useCompileCache(library: Pick<NativeLibrary, 'folder'>): string | undefined {
  const own = ownFolder(library.folder);
  if (own === undefined) return undefined;
  const flags = [
    process.env.TF_XLA_FLAGS,
    `--tf_xla_persistent_cache_directory=${own}`,
    '--tf_xla_persistent_cache_device_types=CPU',
  ];
  process.env.TF_XLA_FLAGS = flags.filter(Boolean).join(' ');
  // The library logs an error if tuning hints of the compiler are not features of the processor.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  return own;
}

/**
 * A private folder for what a compiler has made for this machine, without the programs that were not read for long.
 * Undefined, after a warning, if somebody else could have put programs there.
 */
export function ownFolder(compiler: string): string | undefined {
  const machine = `${cpus()[0]?.model ?? 'unknown'} ${compiler}`;
  const own = join(compiledFolder(), createHash('sha256').update(machine).digest('hex').slice(0, 16));
  // Others may have replaced programs in a folder that was open to them.
  const before = findUntrusted(cacheFolder(), own);
  if (before?.path === own && before.kind === 'mode') rmSync(own, { recursive: true, force: true });
  const untrusted = makePrivateFolder(cacheFolder(), own);
  if (untrusted) {
    warnOfUntrusted('Compiled programs are not kept', untrusted);
    return undefined;
  }
  sweep(own, Date.now());
  return own;
}

/**
 * Removes programs that were not read for long, unfinished files, and everything that is not a file of this user,
 * because the library would run it.
 */
export function sweep(folder: string, now: number): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    try {
      const entry = lstatSync(file);
      const unused = now - Math.max(entry.atimeMs, entry.mtimeMs);
      if (unused > KEPT_DAYS * 24 * HOUR_MS || (UNFINISHED.test(name) && unused > HOUR_MS) || isForeign(file, entry))
        rmSync(file, { recursive: true, force: true });
    } catch {
      // Another process was faster.
    }
  }
}

/** The folder is private, so a mode that lets others write does not expose a file. */
function isForeign(file: string, entry: Stats): boolean {
  return !entry.isFile() || untrustedEntry(file, entry)?.kind === 'owner';
}
