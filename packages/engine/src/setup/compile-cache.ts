import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, type NativeLibrary } from './find';

/** Programs that no run has asked for in so many days are removed. */
const KEPT_DAYS = 30;
/** A file that a run is writing has an end of its own; one that is older is left of a run that was killed. */
const UNFINISHED = /\.tmp$/;
const HOUR_MS = 3_600_000;

/**
 * Makes the library keep what XLA compiles in a folder, and find it there in later processes. Must be called before the
 * library is loaded, which reads its settings from the environment. Returns the folder.
 *
 * Compiled code belongs to one library on one kind of processor: others get folders of their own.
 */
export function useCompileCache(library: Pick<NativeLibrary, 'folder'>): string {
  const machine = `${cpus()[0]?.model ?? 'unknown'} ${library.folder}`;
  const own = join(cacheFolder(), 'compiled', createHash('sha256').update(machine).digest('hex').slice(0, 16));
  mkdirSync(own, { recursive: true });
  sweep(own, Date.now());
  const flags = [
    process.env.TF_XLA_FLAGS,
    `--tf_xla_persistent_cache_directory=${own}`,
    '--tf_xla_persistent_cache_device_types=CPU',
  ];
  process.env.TF_XLA_FLAGS = flags.filter(Boolean).join(' ');
  // The library calls it an error that tuning hints of the compiler are no features of the processor.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3';
  return own;
}

/** Removes programs that were not read for long, and files that were never finished. */
export function sweep(folder: string, now: number): void {
  for (const name of readdirSync(folder)) {
    const file = join(folder, name);
    try {
      const { atimeMs, mtimeMs } = statSync(file);
      const unused = now - Math.max(atimeMs, mtimeMs);
      if (unused > KEPT_DAYS * 24 * HOUR_MS || (UNFINISHED.test(name) && unused > HOUR_MS))
        rmSync(file, { force: true });
    } catch {
      // Another process was faster.
    }
  }
}
