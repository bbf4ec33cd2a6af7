import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from './cache-folder';
import { findNativeLibrary } from './find';
import type { NativeLibrary } from './native-library';
import { checkHashes, checkInstalled, checkTrust, type Installed } from './check-trust';
import type { DoctorCheck, DoctorTarget } from './doctor-check';
import { currentPlatform, unsupportedPlatformReason } from './platform';

/** What `doctor` found of the machine. */
export interface MachineReport {
  readonly checks: readonly DoctorCheck[];
  /** No check failed. A warning means that Graft still works, for example on the portable engine. */
  readonly healthy: boolean;
}

/** What `doctor` found. */
export interface DoctorReport extends MachineReport {
  /** The targets and devices that an engine can be opened on, and those that do not open. */
  readonly targets: readonly DoctorTarget[];
  /** The target that `auto` uses. */
  readonly auto: DoctorTarget;
}

const OLDEST_NODE = 20;
/** The wheel and the unpacked files, which exist at the same time. */
const INSTALL_BYTES = 1.1 * 2 ** 30;
/** Loading TensorFlow and compiling a small step take about half of it. */
const LITTLE_MEMORY = 2 * 2 ** 30;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function checkNode(): DoctorCheck {
  const major = Number(process.versions.node.split('.')[0]);
  const detail = `Node ${process.versions.node}`;
  return major >= OLDEST_NODE
    ? { name: 'node', status: 'ok', detail }
    : { name: 'node', status: 'fail', detail, advice: 'Install Node 20, 22 or 24.' };
}

function checkPlatform(): DoctorCheck {
  const reason = unsupportedPlatformReason();
  return reason === undefined
    ? { name: 'platform', status: 'ok', detail: `${process.platform} on ${process.arch}` }
    : { name: 'platform', status: 'warn', detail: reason, advice: 'The portable engine serves, slower.' };
}

function checkProcessor(): DoctorCheck {
  const { flags } = currentPlatform();
  const known = ['avx', 'avx2', 'fma', 'avx512f', 'avx512_bf16', 'amx_bf16'].filter((flag) => flags.has(flag));
  const cores = availableParallelism();
  const features = flags.size === 0 ? 'vector instructions unknown' : known.join(' ') || 'no vector instructions';
  return { name: 'processor', status: 'ok', detail: `${cores} ${cores === 1 ? 'core' : 'cores'}, ${features}` };
}

function checkMemory(): DoctorCheck {
  // A container may have less than its machine; without a limit, the limit reads as 0 or as a huge number.
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const detail = `${gibibytes(total)}, ${gibibytes(Math.min(total, freemem()))} free`;
  return total >= LITTLE_MEMORY
    ? { name: 'memory', status: 'ok', detail }
    : { name: 'memory', status: 'warn', detail, advice: 'Compiling a training step may need more.' };
}

/** The nearest folder above that exists. */
async function existing(folder: string): Promise<string> {
  for (let path = folder; ; path = dirname(path)) {
    if ((await stat(path).catch(() => undefined)) || dirname(path) === path) return path;
  }
}

async function checkCache(): Promise<DoctorCheck> {
  const folder = cacheFolder();
  const advice = 'Set GRAFT_CACHE to a folder that can be written.';
  try {
    const there = await existing(folder);
    await access(there, constants.W_OK);
    if (!(await stat(there)).isDirectory())
      return { name: 'cache', status: 'fail', detail: `${there} is not a folder`, advice };
    return { name: 'cache', status: 'ok', detail: folder };
  } catch (error) {
    return { name: 'cache', status: 'fail', detail: `${folder}: ${(error as Error).message}`, advice };
  }
}

async function checkDisk(installed: boolean): Promise<DoctorCheck> {
  try {
    const { bavail, bsize, blocks } = await statfs(await existing(cacheFolder()));
    if (blocks === 0) return { name: 'disk', status: 'ok', detail: 'free space unknown' };
    const free = bavail * bsize;
    const detail = `${gibibytes(free)} free where the cache is`;
    if (installed || free >= INSTALL_BYTES) return { name: 'disk', status: 'ok', detail };
    const advice = `Installing the native library takes ${gibibytes(INSTALL_BYTES)}.`;
    return { name: 'disk', status: 'warn', detail, advice };
  } catch (error) {
    return { name: 'disk', status: 'warn', detail: (error as Error).message };
  }
}

async function checkPython(installed: boolean): Promise<DoctorCheck> {
  try {
    const { stdout } = await promisify(execFile)('python3', ['-m', 'pip', '--version'], {
      timeout: 20_000,
      env: process.env,
    });
    const [, pip, python] = /^(pip \S+).*\(python (\S+)\)/.exec(stdout) ?? [undefined, stdout.trim(), undefined];
    return { name: 'python', status: 'ok', detail: python === undefined ? pip : `Python ${python}, ${pip}` };
  } catch (error) {
    const none = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      name: 'python',
      status: installed ? 'ok' : 'warn',
      detail: none ? 'python3 is not there' : 'python3 has no pip that works',
      advice: 'Needed only to fetch the native library.',
    };
  }
}

/** The library that would be used; undefined if there is none, the error if the user gave a wrong path. */
async function lookForLibrary(): Promise<NativeLibrary | Error | undefined> {
  if (unsupportedPlatformReason() !== undefined) return undefined;
  return findNativeLibrary().catch((error: unknown) => error as Error);
}

async function checkEngine(
  found: NativeLibrary | Error | undefined,
  load: (library: NativeLibrary) => Promise<string>,
): Promise<DoctorCheck> {
  if (found instanceof Error) {
    const { hint } = found as { hint?: string };
    return { name: 'engine', status: 'fail', detail: found.message, advice: hint };
  }
  if (!found) {
    const advice =
      unsupportedPlatformReason() === undefined
        ? 'Run `graft engine install`; until then the portable engine serves, slower.'
        : undefined;
    return { name: 'engine', status: 'warn', detail: 'no native library; the portable engine serves', advice };
  }
  try {
    return { name: 'engine', status: 'ok', detail: `${await load(found)}, from ${found.folder} (${found.origin})` };
  } catch (error) {
    const { message, hint = 'Run `graft engine install --verify`.' } = error as Error & { hint?: string };
    return { name: 'engine', status: 'fail', detail: message, advice: hint };
  }
}

/** Options of `doctor`. */
export interface DoctorOptions {
  /**
   * Read every byte of the native library and of installed plugins, and compare hashes. Default: only owners and modes
   * are checked.
   */
  readonly verify?: boolean;
}

/**
 * Checks what Graft needs. `load` opens the engine on a library and describes it; `plugins`: what is installed beside the
 * library.
 */
export async function examine(
  load: (library: NativeLibrary) => Promise<string>,
  { verify = false }: DoctorOptions = {},
  plugins: readonly Installed[] = [],
): Promise<MachineReport> {
  const found = await lookForLibrary();
  const installed = found !== undefined && !(found instanceof Error);
  const hashes = verify && installed ? [await checkHashes(found)] : [];
  // A library with wrong hashes is not loaded, not even to test it.
  const engine = hashes.some(({ status }) => status === 'fail') ? [] : [await checkEngine(found, load)];
  const checks = [
    checkNode(),
    checkPlatform(),
    checkProcessor(),
    checkMemory(),
    await checkCache(),
    await checkDisk(installed),
    await checkPython(installed),
    checkTrust(installed ? found : undefined, plugins),
    ...hashes,
    ...(verify ? await Promise.all(plugins.map(checkInstalled)) : []),
    ...engine,
  ];
  return { checks, healthy: checks.every(({ status }) => status !== 'fail') };
}
