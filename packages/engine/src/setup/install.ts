import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { EngineError, GraftError } from '@graft/errors';
import { findUntrusted, mendingCommand, untrustedEntry, isProcess } from '@graft/files';
import { hasRightSizes, libraryCacheFolder, librariesIn } from './find';
import type { NativeLibrary } from './native-library';
import { diskFull, downloadWheel } from './pip';
import { unsupportedPlatformReason } from './platform';
import { RELEASE, type Release } from './release';
import { hashFile, hashMismatch, unpackWheel } from './unpack';

/** How far an installation is. */
export interface InstallProgress {
  readonly stage: 'download' | 'verify' | 'unpack';
  /** Bytes done and total bytes, where known. */
  readonly done?: number;
  readonly total?: number;
}

/** Options of `installNativeLibrary`. */
export interface InstallOptions {
  /** Read every byte of cached files and compare hashes; otherwise only sizes are compared. */
  verify?: boolean;
  /** A wheel on disk, for machines without a network. It is not moved. */
  wheel?: string;
  /** Target folder. Default: Graft's cache. */
  folder?: string;
  release?: Release;
  /** Default `python3`. */
  python?: string;
  onProgress?: (progress: InstallProgress) => void;
}

const libraryBytes = (release: Release): number => release.files.reduce((sum, { bytes }) => sum + bytes, 0);

/**
 * Whether a folder contains a release that only this user could have written, so that hashes checked once are still
 * valid.
 */
async function isWhole(folder: string, release: Release, verify: boolean): Promise<boolean> {
  if (!(await hasRightSizes(folder, release))) return false;
  if (release.files.some(({ name }) => findUntrusted(dirname(folder), join(folder, name)))) return false;
  if (verify)
    for (const { name, sha256 } of release.files) if ((await hashFile(join(folder, name))) !== sha256) return false;
  return true;
}

/**
 * Fetches the native TensorFlow libraries into the cache, once: the wheel through pip, checked, unpacked, removed.
 * Several processes may install at the same time. Throws EngineError, one sentence each, for a platform without a
 * library, no Python, no pip, no network, a damaged download or a full disk.
 */
export async function installNativeLibrary(options: InstallOptions = {}): Promise<NativeLibrary> {
  const folder = options.folder ?? libraryCacheFolder();
  await installRelease(folder, options.release ?? RELEASE, options);
  return (await librariesIn(folder, 'cache'))!;
}

/** As `installNativeLibrary`, for any release's files. */
export async function installRelease(folder: string, release: Release, options: InstallOptions): Promise<void> {
  const unsupported = unsupportedPlatformReason();
  if (unsupported)
    throw new EngineError(unsupported, { code: 'engine.platform', hint: 'The portable engine works everywhere.' });
  if (!(await isWhole(folder, release, options.verify ?? false)) && !(await mendModes(folder, release)))
    await install(folder, release, options);
}

/**
 * Removes write access of others to the installed files. Returns whether that repaired the installation: others may
 * have written before, so the hashes decide.
 */
async function mendModes(folder: string, release: Release): Promise<boolean> {
  let mended = false;
  for (const path of [folder, ...release.files.map(({ name }) => join(folder, name))]) {
    const entry = await lstat(path).catch(() => undefined);
    if (!entry || untrustedEntry(path, entry)?.kind !== 'mode') continue;
    await chmod(path, entry.mode & 0o755);
    mended = true;
  }
  return mended && isWhole(folder, release, true);
}

/** Creates the cache folder. Throws EngineError if others could replace the installed files. */
async function makeCache(cache: string): Promise<void> {
  await mkdir(dirname(cache), { recursive: true });
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const untrusted = findUntrusted(cache, cache);
  if (!untrusted) return;
  throw new EngineError(`The cache folder ${cache} is not yours alone (${untrusted.reason}).`, {
    code: 'engine.untrusted',
    hint: `Run \`${mendingCommand(untrusted)}\`, or set GRAFT_CACHE to a folder of your own.`,
  });
}

async function install(folder: string, release: Release, options: InstallOptions): Promise<void> {
  const parent = dirname(folder);
  const temporary = join(parent, temporaryName());
  const unpacked = join(temporary, 'unpacked');
  const { onProgress } = options;
  try {
    await makeCache(parent);
    await mkdir(temporary, { mode: 0o700 });
    // Independent of the umask, which may let others write.
    await mkdir(unpacked, { mode: 0o755 });
    await removeAbandoned(parent);
    await checkSpace(parent, release, options.wheel === undefined);
    const wheel = options.wheel ?? (await download(release, temporary, options));
    onProgress?.({ stage: 'verify' });
    await checkWheel(wheel, release, options.wheel !== undefined);
    const total = libraryBytes(release);
    let done = 0;
    await unpackWheel(wheel, release.files, unpacked, (bytes) => {
      done += bytes;
      onProgress?.({ stage: 'unpack', done, total });
    });
    await moveIntoPlace(unpacked, folder, release, temporary);
  } catch (error) {
    throw failure(error, parent);
  } finally {
    // A failed removal must not hide the original error.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

function download(release: Release, temporary: string, options: InstallOptions): Promise<string> {
  const total = release.wheelBytes;
  options.onProgress?.({ stage: 'download', done: 0, total });
  return downloadWheel(release, temporary, options.python ?? 'python3', (done) =>
    options.onProgress?.({ stage: 'download', done: Math.min(done, total), total }),
  );
}

async function checkWheel(wheel: string, release: Release, given: boolean): Promise<void> {
  if (!(await stat(wheel).catch(() => undefined))?.isFile())
    throw new EngineError(`The wheel ${wheel} does not exist.`, { code: 'engine.wheel', exitCode: 2 });
  const hash = await hashFile(wheel);
  if (hash === release.wheelSha256) return;
  throw hashMismatch(
    given ? `The wheel ${wheel}` : `The downloaded wheel of ${release.package} ${release.version}`,
    release.wheelSha256,
    hash,
    given
      ? `Take the wheel of ${release.package} ${release.version} for CPython ${release.pythonVersion} on Linux x86-64.`
      : undefined,
  );
}

/** A rename, unless another process was first with an equivalent result. A damaged folder is moved away first. */
async function moveIntoPlace(from: string, to: string, release: Release, temporary: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      // Hashes, not sizes: the existing file may be the one that needs repair.
      if (await isWhole(to, release, true)) return;
      if (attempt === 5) throw error;
      await rename(to, join(temporary, `damaged-${attempt}`)).catch(() => undefined);
    }
  }
}

const TEMPORARY_NAME = /^\.install-(.*)-(\d+)-[0-9a-f]{8}$/;
/**
 * After this time, an installer on another machine with the same cache, whose process cannot be checked, must be done.
 */
const ABANDONED_MILLISECONDS = 24 * 3600 * 1000;

function temporaryName(): string {
  return `.install-${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Killed installers leave up to a gigabyte. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = TEMPORARY_NAME.exec(name);
    if (!owner) continue;
    const folder = join(parent, name);
    const { mtimeMs } = (await stat(folder).catch(() => undefined)) ?? { mtimeMs: Infinity };
    const abandoned =
      owner[1] === hostname() ? !isProcess(Number(owner[2])) : Date.now() - mtimeMs > ABANDONED_MILLISECONDS;
    if (abandoned) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function checkSpace(folder: string, release: Release, withWheel: boolean): Promise<void> {
  const needed = libraryBytes(release) + (withWheel ? release.wheelBytes : 0);
  const { bavail, bsize, blocks } = await statfs(folder);
  // Some network and overlay file systems do not report free space.
  if (blocks === 0 || bavail * bsize >= needed) return;
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  throw new EngineError(
    `${folder} has ${mebibytes(bavail * bsize)} MiB free; installing the native library needs ${mebibytes(needed)} MiB.`,
    {
      code: 'engine.disk-full',
      hint: 'Free some space, or set GRAFT_CACHE to a folder on another disk.',
    },
  );
}

function failure(error: unknown, folder: string): unknown {
  if (error instanceof GraftError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(folder, error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return new EngineError(`The cache folder ${folder} cannot be written (${message}).`, {
      code: 'engine.cache',
      hint: 'Set GRAFT_CACHE to a folder that can be written.',
      cause: error,
    });
  }
  return new EngineError(`The native library could not be installed: ${message}.`, {
    code: 'engine.install',
    cause: error,
  });
}
