// npm start: installs what is missing, fetches the native library, runs the quickstart. Arguments go to the quickstart.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
await build();
await installLibrary();
const child = spawn(
  process.execPath,
  [join(ROOT, 'examples', 'quickstart', 'dist', 'main.js'), ...process.argv.slice(2)],
  { stdio: 'inherit' },
);
// Ctrl-C reaches the quickstart too, which saves before it stops; this process waits for it. Other signals come here alone, and
// when npm is killed none comes: its shell, or npm itself, is gone then.
const pass = (signal) => void child.kill(signal);
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, pass);
const parents = () => [process.ppid, parentOf(process.ppid)].join();
const [before, watch] = [parents(), setInterval(look, 300)];
function look() {
  if (parents() === before) return;
  clearInterval(watch);
  pass('SIGTERM');
}
child.on('exit', (status, signal) => {
  clearInterval(watch);
  process.exitCode = signal ? 1 : (status ?? 1);
});

/** Where the system says it (Linux). */
function parentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[1];
  } catch {
    return undefined;
  }
}
