import {
  closeSync,
  existsSync,
  fchmodSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFunction } from '../../foreign/library';
import { isProcess } from '@graft/files';

/** A file that no other user can open, with all bytes already allocated: writing to it later cannot fail. */
export interface Created {
  readonly path: string;
  readonly descriptor: number;
  /** Makes the file impossible to open. Processes that have it open keep it. */
  remove(): void;
}

export interface MemoryProvider {
  readonly name: string;
  /** Throws an error with the reason if this does not work. */
  create(bytes: number): Created;
}

const IN_MEMORY = '/dev/shm';
const FOLDER = /^graft-workers-(\d+)-/;
/** Age at which a folder is abandoned: workers need it only for the moment in which they meet. */
const ABANDONED_MS = 600_000;

const CLOSE_ON_EXEC_AND_SEALS = 3;
const F_ADD_SEALS = 1033;
const SEAL_SEALS_SHRINK_AND_GROW = 7;

/** Best first. */
export function memoryProviders(): MemoryProvider[] {
  const nameless = namelessMemory();
  const folders = [...new Set([...(existsSync(IN_MEMORY) ? [IN_MEMORY] : []), tmpdir()])];
  return [...(nameless ? [nameless] : []), ...folders.map(folderProvider)];
}

/** Linux: memory with a descriptor and no name, which ends with the processes that use it. */
function namelessMemory(): MemoryProvider | undefined {
  const create = systemFunction<(name: string, flags: number) => number>(
    'int memfd_create(const char *, unsigned int)',
  );
  const control =
    systemFunction<(file: number, command: number, argument: number) => number>('int fcntl(int, int, int)');
  if (!create || !control || !existsSync('/proc/self/fd')) return undefined;
  return {
    name: 'memory',
    create: (bytes) => {
      const descriptor = create('graft-workers', CLOSE_ON_EXEC_AND_SEALS);
      if (descriptor < 0) throw new Error('the system gives none');
      const remove = (): void => closeSync(descriptor);
      try {
        fchmodSync(descriptor, 0o600);
        allocate(descriptor, bytes);
        // Keeps a process from removing pages to which others write.
        if (control(descriptor, F_ADD_SEALS, SEAL_SEALS_SHRINK_AND_GROW) < 0) throw new Error('it cannot be sealed');
      } catch (error) {
        remove();
        throw error;
      }
      return { path: `/proc/${process.pid}/fd/${descriptor}`, descriptor, remove };
    },
  };
}

/** A file in a folder of its own. */
export function folderProvider(parent: string): MemoryProvider {
  return {
    name: parent,
    create: (bytes) => {
      sweep(parent);
      const { bavail, bsize } = statfsSync(parent);
      if (bavail * bsize < bytes) throw new Error(`${bavail * bsize} bytes are free, and ${bytes} are needed`);
      const folder = mkdtempSync(join(parent, `graft-workers-${process.pid}-`));
      let descriptor: number | undefined;
      const remove = (): void => {
        rmSync(folder, { recursive: true, force: true });
        if (descriptor !== undefined) closeSync(descriptor);
      };
      try {
        const path = join(folder, 'memory');
        descriptor = openSync(path, 'wx+', 0o600);
        allocate(descriptor, bytes);
        return { path, descriptor, remove };
      } catch (error) {
        remove();
        throw error;
      }
    },
  };
}

function allocate(descriptor: number, bytes: number): void {
  const reserve = systemFunction<(file: number, offset: number, bytes: number) => number>(
    'int posix_fallocate(int, int64_t, int64_t)',
  );
  ftruncateSync(descriptor, bytes);
  if (reserve) {
    const error = reserve(descriptor, 0, bytes);
    if (error !== 0) throw new Error(`${bytes} bytes cannot be reserved (error ${error} of the system)`);
    return;
  }
  const zeros = new Uint8Array(Math.min(bytes, 1 << 20));
  for (let done = 0; done < bytes;) done += writeSync(descriptor, zeros, 0, Math.min(zeros.length, bytes - done), done);
}

/** Removes the files of workers that were killed while they met. */
export function sweep(parent: string, olderThanMs = ABANDONED_MS): void {
  for (const name of readdirSync(parent)) {
    const pid = FOLDER.exec(name)?.[1];
    if (pid === undefined || isProcess(Number(pid))) continue;
    const folder = join(parent, name);
    try {
      const { uid, mtimeMs } = lstatSync(folder);
      if (uid === process.getuid?.() && Date.now() - mtimeMs > olderThanMs) rmSync(folder, { recursive: true });
    } catch {
      // Another process was faster.
    }
  }
}
