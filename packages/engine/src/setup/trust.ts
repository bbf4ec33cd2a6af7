import { statSync } from 'node:fs';
import { EngineError } from '@graft/errors';
import { findUntrusted, mendingCommand, type Untrusted } from '@graft/files';
import { cacheFolder } from './cache-folder';
import type { NativeLibrary } from './native-library';

/**
 * The first of a library's files or folders that somebody else could have written. In the cache, all folders from the
 * cache's root on count; for other libraries, only their own folder.
 */
export function untrustedPart({ folder, cc, framework, origin }: NativeLibrary): Untrusted | undefined {
  const root = origin === 'cache' ? cacheFolder() : folder;
  // The owner of Graft's installation also installed its dependencies, and is trusted like Graft's own code.
  const options = origin === 'tfjs-node' ? { owners: [statSync(__dirname).uid], anyMode: true } : {};
  return findUntrusted(root, cc, options) ?? findUntrusted(root, framework, options);
}

/** The first of these files that somebody else could have written. */
export function firstUntrusted(root: string, files: readonly string[]): Untrusted | undefined {
  for (const file of files) {
    const untrusted = findUntrusted(root, file);
    if (untrusted) return untrusted;
  }
  return undefined;
}

/**
 * For what was found, not given explicitly. `what`: the beginning of the sentence, as "The native library is"; `install`:
 * the command that fetches it.
 */
export function notLoaded(what: string, untrusted: Untrusted, install?: string): EngineError {
  const then = install === undefined ? '' : ` and \`${install} --verify\``;
  return new EngineError(`${what} not loaded: ${untrusted.path} is not yours alone (${untrusted.reason}).`, {
    code: 'engine.untrusted',
    hint: `If you trust what it holds, run \`${mendingCommand(untrusted)}\`${then}.`,
  });
}

/** As `notLoaded`, for the native library. */
export const untrustedLibrary = (untrusted: Untrusted): EngineError =>
  notLoaded('The native library is', untrusted, 'graft engine install');

export function warnOfUntrusted(what: string, { path, reason }: Untrusted): void {
  process.emitWarning(`${what}: ${path} is not yours alone (${reason}).`, {
    type: 'GraftWarning',
    code: 'engine.untrusted',
  });
}
