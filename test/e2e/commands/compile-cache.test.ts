import { findNativeLibrary } from '@graft/engine';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { graft, graftSucceeds, readMetrics, runFolderOf, write, tinyTextConfig } from '../support/graft';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

/** What lies in the cache, largest first. */
function kept(): { file: string; bytes: number }[] {
  return readdirSync(cache, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ file, bytes: statSync(file).size }))
    .sort((a, b) => b.bytes - a.bytes);
}

test('the next run reuses what XLA compiled and gets the same losses, and a damaged cache is reported', async () => {
  const library = await findNativeLibrary();
  if (!library) throw new Error('These tests need the native library.');
  write(join(folder, 'text.txt'), 'to and fro, '.repeat(200));
  const config = write(
    join(folder, 'kept.yaml'),
    `${tinyTextConfig('kept', 'steps: 3')}engine: { mode: xla, compileCache: true, libraryPath: ${library.folder} }
`,
  );
  const environment = { GRAFT_CACHE: cache };
  const first = await graftSucceeds(['run', config], folder, environment);
  const compiled = kept();
  expect(compiled.length).toBeGreaterThan(0);
  const second = await graftSucceeds(['run', config], folder, environment);
  expect(kept()).toEqual(compiled);
  const losses = [first, second].map((outcome) => readMetrics(runFolderOf(outcome)).map(({ loss }) => loss));
  expect(losses[1]).toEqual(losses[0]);

  truncateSync(compiled[0].file, 100);
  const third = await graft(['run', config], folder, environment);
  expect(third.status).toBe(1);
  expect(third.stderr).toMatch(/If it says so again, remove .*compiled.*engine\.compileCache/);
  expect(third.stderr).not.toMatch(/^ +at /m);
});
