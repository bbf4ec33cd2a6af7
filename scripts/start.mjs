// npm start: installs what is missing, fetches the native library, runs the quickstart. Arguments go to the quickstart.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
build();
await installLibrary();
const { status, signal } = spawnSync(
  process.execPath,
  [join(ROOT, 'examples', 'quickstart', 'dist', 'main.js'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
process.exitCode = signal ? 1 : (status ?? 1);
