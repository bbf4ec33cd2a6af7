import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { EngineError } from '@graft/errors';
import { cacheFolder } from './cache-folder';
import type { NativeLibrary } from './native-library';
import { untrustedLibrary, untrustedPart } from './trust';
import { CC_LIBRARY, C_LIBRARY, FRAMEWORK_LIBRARY, RELEASE, type Release } from './release';

export function libraryCacheFolder(): string {
  return join(cacheFolder(), `tensorflow-${RELEASE.version}`);
}

/** Whether a folder contains every file of a release, with the right size. */
export async function hasRightSizes(folder: string, release: Release): Promise<boolean> {
  for (const { name, bytes } of release.files) {
    if ((await stat(join(folder, name)).catch(() => undefined))?.size !== bytes) return false;
  }
  return true;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** The libraries in a folder, under any of the names that TensorFlow's packages give them. */
export async function librariesIn(folder: string, origin: NativeLibrary['origin']): Promise<NativeLibrary | undefined> {
  const framework = join(folder, FRAMEWORK_LIBRARY);
  if (!(await isFile(framework))) return undefined;
  for (const name of [CC_LIBRARY, C_LIBRARY]) {
    const cc = join(folder, name);
    if (await isFile(cc)) return { folder, cc, framework, origin };
  }
  return undefined;
}

/** The folder that the user gave, or that of the file that the user gave. Throws EngineError if it has no libraries. */
async function named(path: string, origin: 'option' | 'environment', by: string): Promise<NativeLibrary> {
  const entry = await stat(path).catch(() => undefined);
  const library = await librariesIn(resolve(entry?.isFile() ? dirname(path) : path), origin);
  if (library) return library;
  const reason = entry
    ? `${CC_LIBRARY} (or ${C_LIBRARY}) and ${FRAMEWORK_LIBRARY} are not both there`
    : 'which does not exist';
  throw new EngineError(`${by} names ${path}, ${entry ? 'but ' : ''}${reason}.`, {
    code: 'engine.library-path',
    exitCode: 2,
    hint: `Name a folder with the two libraries, or leave ${by} out and run \`graft engine install\`.`,
  });
}

async function inTfjsNode(): Promise<NativeLibrary | undefined> {
  for (const name of ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node']) {
    try {
      const package_ = dirname(require.resolve(`${name}/package.json`));
      const library = await librariesIn(join(package_, 'deps', 'lib'), 'tfjs-node');
      if (library) return library;
    } catch {
      // Not installed.
    }
  }
  return undefined;
}

/** Finds the package without importing it, which would take seconds. */
const WHERE_IS_TENSORFLOW =
  'import importlib.util as u; s = u.find_spec("tensorflow"); print(s.submodule_search_locations[0] if s else "")';

async function inPython(): Promise<NativeLibrary | undefined> {
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', WHERE_IS_TENSORFLOW], {
      timeout: 10_000,
      env: process.env,
    });
    const folder = stdout.trim();
    return folder ? await librariesIn(folder, 'python') : undefined;
  } catch {
    return undefined;
  }
}

function onlyTrusted(library: NativeLibrary | undefined): NativeLibrary | undefined {
  const untrusted = library && untrustedPart(library);
  if (untrusted) throw untrustedLibrary(untrusted);
  return library;
}

/** Where `findNativeLibrary` looks. */
export interface FindOptions {
  /** Folder or file given by the user; nothing else is searched then. */
  libraryPath?: string;
}

/**
 * Finds the native libraries: in the user's path, GRAFT_TENSORFLOW, Graft's cache, an installed tfjs-node, an installed
 * Python TensorFlow. Returns undefined if there are none. Throws EngineError if the user gave a path without them, and
 * for libraries in the cache or of Python that another user could have written. It checks only presence (in the cache,
 * sizes too), not whether they load.
 */
export async function findNativeLibrary(options: FindOptions = {}): Promise<NativeLibrary | undefined> {
  if (options.libraryPath !== undefined) return named(options.libraryPath, 'option', 'engine.libraryPath');
  const environment = process.env.GRAFT_TENSORFLOW;
  if (environment) return named(environment, 'environment', 'GRAFT_TENSORFLOW');
  const cached = libraryCacheFolder();
  if (await hasRightSizes(cached, RELEASE)) return onlyTrusted(await librariesIn(cached, 'cache'));
  return onlyTrusted((await inTfjsNode()) ?? (await inPython()));
}
