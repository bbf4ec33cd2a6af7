// npm start: installs what is missing, fetches the native library, runs the quickstart. Arguments go to the quickstart.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
build();
await installLibrary();
const child = spawn(
  process.execPath,
  [join(ROOT, 'examples', 'quickstart', 'dist', 'main.js'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
// Ctrl-C reaches the quickstart too, which saves before it stops; this process waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
child.on('exit', (status, signal) => {
  process.exitCode = signal ? 1 : (status ?? 1);
});
