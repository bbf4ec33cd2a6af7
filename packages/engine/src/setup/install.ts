import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EngineError, GraftError } from '../errors';
import { findNativeLibrary, libraryCacheFolder, unsupportedPlatformReason, type NativeLibrary } from './find';
import { RELEASE, type Release } from './release';
import { hashFile, hashMismatch, unpackWheel } from './unpack';

export interface InstallProgress {
  readonly stage: 'download' | 'verify' | 'unpack';
  /** Bytes done and in all, where they are known. */
  readonly done?: number;
  readonly total?: number;
}

export interface InstallOptions {
  /** Read every byte of what is cached and compare hashes; otherwise sizes are enough. */
  verify?: boolean;
  /** A wheel that is here already, for machines without a network. */
  wheel?: string;
  /** Where to. Default: Graft's cache. */
  folder?: string;
  release?: Release;
  /** Default `python3`. */
  python?: string;
  onProgress?: (progress: InstallProgress) => void;
}

async function isWhole(folder: string, release: Release, verify: boolean): Promise<boolean> {
  for (const { name, bytes, sha256 } of release.files) {
    const entry = await stat(join(folder, name)).catch(() => undefined);
    if (entry?.size !== bytes) return false;
    if (verify && (await hashFile(join(folder, name))) !== sha256) return false;
  }
  return true;
}

/**
 * Fetches the native TensorFlow libraries into the cache, once: the wheel through pip, checked, unpacked, removed.
 * Several processes may install at the same time. Throws EngineError, one sentence each, for a platform without a
 * library, no Python, no pip, no network, a damaged download or a full disk.
 */
export async function installNativeLibrary(options: InstallOptions = {}): Promise<NativeLibrary> {
  const unsupported = unsupportedPlatformReason();
  if (unsupported)
    throw new EngineError(unsupported, { code: 'engine.platform', hint: 'The portable engine works everywhere.' });
  const release = options.release ?? RELEASE;
  const folder = options.folder ?? libraryCacheFolder();
  if (await isWhole(folder, release, options.verify ?? false)) return installed(folder);

  const parent = dirname(folder);
  const temporary = join(parent, `.install-${process.pid}-${randomBytes(4).toString('hex')}`);
  const unpacked = join(temporary, 'unpacked');
  try {
    await mkdir(unpacked, { recursive: true });
    await checkSpace(parent, release, options.wheel === undefined);
    const wheel = options.wheel ?? (await download(release, temporary, options));
    options.onProgress?.({ stage: 'verify' });
    const hash = await hashFile(wheel);
    if (hash !== release.wheelSha256)
      throw hashMismatch(`The wheel of ${release.package} ${release.version}`, release.wheelSha256, hash);
    const total = release.files.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    await unpackWheel(wheel, release.files, unpacked, (bytes) => {
      done += bytes;
      options.onProgress?.({ stage: 'unpack', done, total });
    });
    await moveIntoPlace(unpacked, folder, release, options.verify ?? false);
  } catch (error) {
    throw failure(error, parent);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return installed(folder);
}

async function installed(folder: string): Promise<NativeLibrary> {
  return { ...(await findNativeLibrary({ libraryPath: folder }))!, origin: 'cache' };
}

/** A rename, unless another process was first and its result is as good. */
async function moveIntoPlace(from: string, to: string, release: Release, verify: boolean): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (await isWhole(to, release, verify)) return;
      if (attempt > 0) throw error;
      await rm(to, { recursive: true, force: true });
    }
  }
}

async function checkSpace(folder: string, release: Release, withWheel: boolean): Promise<void> {
  const needed = release.files.reduce((sum, { bytes }) => sum + bytes, 0) + (withWheel ? release.wheelBytes : 0);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < needed) {
    const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
    throw new EngineError(
      `${folder} has ${mebibytes(bavail * bsize)} MiB free; the native library needs ${mebibytes(needed)} MiB.`,
      {
        code: 'engine.disk-full',
        hint: 'Free some space, or set GRAFT_CACHE to a folder on another disk.',
      },
    );
  }
}

async function download(
  release: Release,
  folder: string,
  { python = 'python3', onProgress }: InstallOptions,
): Promise<string> {
  const target = join(folder, 'wheel');
  await mkdir(target);
  onProgress?.({ stage: 'download', total: release.wheelBytes });
  // The machine's own Python does not matter: the wheel is chosen by version and platform.
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--no-input',
  ];
  args.push('--python-version', release.pythonVersion, '--implementation', 'cp');
  for (const platform of release.platforms) args.push('--platform', platform);
  args.push('--dest', target, `${release.package}==${release.version}`);
  const { status, output } = await run(python, args);
  if (status !== 0) throw pipFailure(output, release);
  const wheel = (await readdir(target)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw pipFailure(output, release);
  return join(target, wheel);
}

function run(command: string, args: readonly string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', (cause) => {
      reject(
        new EngineError(
          `The native library is fetched with Python's pip, but "${command}" cannot be started (${cause.message}).`,
          {
            code: 'engine.no-python',
            hint: 'Install Python 3 with pip, or name a TensorFlow that is here already with GRAFT_TENSORFLOW.',
            cause,
          },
        ),
      );
    });
    child.on('close', (status) => resolve({ status, output }));
  });
}

function pipFailure(output: string, release: Release): EngineError {
  if (/No module named pip/.test(output)) {
    return new EngineError("The native library is fetched with pip, which this machine's Python lacks.", {
      code: 'engine.no-pip',
      hint: 'Install it (on Debian: apt-get install python3-pip), or name a TensorFlow that is here already with GRAFT_TENSORFLOW.',
    });
  }
  const last =
    output
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => /^ERROR/.test(line))
      .pop() ?? 'pip gave no reason';
  return new EngineError(
    `pip could not download ${release.package} ${release.version}: ${last.replace(/^ERROR:\s*/, '')}`,
    {
      code: 'engine.download',
      hint: 'Check the network, or fetch the wheel elsewhere and name it with `graft engine install --wheel FILE`.',
    },
  );
}

function failure(error: unknown, folder: string): unknown {
  if (error instanceof GraftError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new EngineError(`The disk that holds ${folder} is full.`, {
      code: 'engine.disk-full',
      hint: 'Free some space, or set GRAFT_CACHE to a folder on another disk.',
      cause: error,
    });
  }
  return new EngineError(`The native library could not be installed: ${(error as Error).message}.`, {
    code: 'engine.install',
    cause: error,
  });
}
