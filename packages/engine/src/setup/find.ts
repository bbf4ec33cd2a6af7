import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { EngineError } from '../errors';
import { CC_LIBRARY, FRAMEWORK_LIBRARY, RELEASE } from './release';

/** The two native libraries, where they lie and how they were found. */
export interface NativeLibrary {
  readonly folder: string;
  readonly cc: string;
  readonly framework: string;
  readonly origin: 'option' | 'environment' | 'cache' | 'tfjs-node' | 'python';
}

/** Where Graft keeps what it downloads: GRAFT_CACHE, else the user's cache folder. */
export function cacheFolder(): string {
  return process.env.GRAFT_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'graft');
}

export function libraryCacheFolder(): string {
  return join(cacheFolder(), `tensorflow-${RELEASE.version}`);
}

/** A sentence where no native library exists for this machine; otherwise undefined. */
export function unsupportedPlatformReason(
  platform: string = process.platform,
  arch: string = process.arch,
): string | undefined {
  if (platform === 'linux' && arch === 'x64') return undefined;
  return `The native library exists for Linux on x86-64; this machine is ${platform} on ${arch}.`;
}

async function inFolder(folder: string, origin: NativeLibrary['origin']): Promise<NativeLibrary | undefined> {
  const cc = join(folder, CC_LIBRARY);
  const framework = join(folder, FRAMEWORK_LIBRARY);
  for (const file of [cc, framework]) if (!(await stat(file).catch(() => undefined))?.isFile()) return undefined;
  return { folder, cc, framework, origin };
}

/** A folder that the user named, or the folder of a file that the user named. Throws EngineError when it has no libraries. */
async function named(path: string, origin: 'option' | 'environment', by: string): Promise<NativeLibrary> {
  const entry = await stat(path).catch(() => undefined);
  const folder = entry?.isFile() ? dirname(path) : path;
  const library = await inFolder(folder, origin);
  if (library) return library;
  throw new EngineError(`${by} names ${path}, but ${CC_LIBRARY} and ${FRAMEWORK_LIBRARY} are not both there.`, {
    code: 'engine.library-path',
    exitCode: 2,
  });
}

async function inTfjsNode(): Promise<NativeLibrary | undefined> {
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      const library = await inFolder(
        join(dirname(require.resolve(`${name}/package.json`)), 'deps', 'lib'),
        'tfjs-node',
      );
      if (library) return library;
    } catch {
      // Not installed.
    }
  }
  return undefined;
}

async function inPython(): Promise<NativeLibrary | undefined> {
  const script =
    'import importlib.util as u; s = u.find_spec("tensorflow"); print(s.submodule_search_locations[0] if s else "")';
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', script], { timeout: 10_000 });
    const folder = stdout.trim();
    return folder ? await inFolder(folder, 'python') : undefined;
  } catch {
    return undefined;
  }
}

export interface FindOptions {
  /** Folder or file named by the user; nothing else is looked at then. */
  libraryPath?: string;
}

/**
 * Looks for the native libraries: where the user says, GRAFT_TENSORFLOW, Graft's cache, an installed tfjs-node, an
 * installed Python TensorFlow. undefined where there are none.
 */
export async function findNativeLibrary(options: FindOptions = {}): Promise<NativeLibrary | undefined> {
  if (options.libraryPath !== undefined) return named(options.libraryPath, 'option', 'engine.libraryPath');
  const environment = process.env.GRAFT_TENSORFLOW;
  if (environment) return named(environment, 'environment', 'GRAFT_TENSORFLOW');
  return (await inFolder(libraryCacheFolder(), 'cache')) ?? (await inTfjsNode()) ?? inPython();
}
