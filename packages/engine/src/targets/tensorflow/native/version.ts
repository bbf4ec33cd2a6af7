import { EngineError } from '@graft/errors';
import type { NativeLibrary } from '../../../setup';

/** First and last release whose C API and function runtime Graft has been run with. */
const SUPPORTED = { from: [2, 10], before: [3, 0] } as const;

/** Throws EngineError for a release that Graft does not support. */
export function checkVersion(version: string, library: Pick<NativeLibrary, 'folder'>): void {
  const [major, minor] = version.split('.').map(Number);
  const known = major > SUPPORTED.from[0] || (major === SUPPORTED.from[0] && minor >= SUPPORTED.from[1]);
  if (!known || major >= SUPPORTED.before[0]) {
    throw new EngineError(
      `The native library in ${library.folder} is TensorFlow ${version}; Graft needs ${SUPPORTED.from.join('.')} or newer, below ${SUPPORTED.before[0]}.`,
      {
        code: 'engine.library-version',
        hint: 'Run `graft engine install`, which fetches the version that Graft is tested with.',
      },
    );
  }
}
