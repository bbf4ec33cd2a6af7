import { execFile } from 'node:child_process';
import { readFile, statfs, mkdir } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { cacheFolder, findNativeLibrary, unsupportedPlatformReason, type NativeLibrary } from './find';

export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do, where something is wrong. */
  readonly advice?: string;
}

export interface DoctorReport {
  readonly checks: readonly DoctorCheck[];
  /** No check failed. A warning means that Graft works, on the portable engine for one. */
  readonly healthy: boolean;
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function checkNode(): DoctorCheck {
  const major = Number(process.versions.node.split('.')[0]);
  const detail = `Node ${process.versions.node}`;
  return major >= 20
    ? { name: 'node', status: 'ok', detail }
    : { name: 'node', status: 'fail', detail, advice: 'Install Node 20, 22 or 24.' };
}

async function checkPython(): Promise<DoctorCheck> {
  try {
    const { stdout } = await promisify(execFile)('python3', ['-m', 'pip', '--version'], { timeout: 20_000 });
    return { name: 'python', status: 'ok', detail: stdout.trim().split(' from ')[0] };
  } catch (error) {
    const none = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      name: 'python',
      status: 'warn',
      detail: none ? 'python3 is not there' : 'python3 has no pip',
      advice: 'Needed only to fetch the native library.',
    };
  }
}

async function checkProcessor(): Promise<DoctorCheck> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = new Set(/^flags\s*:(.*)$/m.exec(info)?.[1].trim().split(' ') ?? []);
  const known = ['avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_bf16'].filter((flag) => flags.has(flag));
  const detail = `${availableParallelism()} cores, ${known.length > 0 ? known.join(' ') : 'vector instructions unknown'}`;
  return { name: 'processor', status: 'ok', detail };
}

async function checkDisk(): Promise<DoctorCheck> {
  const folder = cacheFolder();
  try {
    await mkdir(folder, { recursive: true });
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const detail = `${gibibytes(free)} free for the cache ${folder}`;
    return free > 1.2 * 2 ** 30
      ? { name: 'disk', status: 'ok', detail }
      : { name: 'disk', status: 'warn', detail, advice: 'Installing the native library takes 1.1 GiB.' };
  } catch (error) {
    return {
      name: 'disk',
      status: 'fail',
      detail: (error as Error).message,
      advice: 'Set GRAFT_CACHE to a folder that can be written.',
    };
  }
}

async function checkLibrary(load: (library: NativeLibrary) => Promise<string>): Promise<DoctorCheck> {
  const unsupported = unsupportedPlatformReason();
  if (unsupported)
    return { name: 'engine', status: 'warn', detail: unsupported, advice: 'The portable engine serves, slower.' };
  try {
    const library = await findNativeLibrary();
    if (!library) {
      return {
        name: 'engine',
        status: 'warn',
        detail: 'no native library',
        advice: 'Run `graft engine install`; until then the portable engine serves.',
      };
    }
    return {
      name: 'engine',
      status: 'ok',
      detail: `${await load(library)}, from ${library.folder} (${library.origin})`,
    };
  } catch (error) {
    return { name: 'engine', status: 'fail', detail: (error as Error).message, advice: 'Run `graft engine install`.' };
  }
}

/** Looks at what Graft needs. `load` opens the engine on a library and describes it. */
export async function examine(load: (library: NativeLibrary) => Promise<string>): Promise<DoctorReport> {
  const checks = [
    checkNode(),
    {
      name: 'memory',
      status: 'ok',
      detail: `${gibibytes(totalmem())}, ${gibibytes(freemem())} free`,
    } satisfies DoctorCheck,
    await checkProcessor(),
    await checkDisk(),
    await checkPython(),
    await checkLibrary(load),
  ];
  return { checks, healthy: checks.every(({ status }) => status !== 'fail') };
}
