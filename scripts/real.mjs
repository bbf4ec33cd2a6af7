// npm run real: the story on real models. Fetches the models that are missing; one with terms only with --accept-license.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

const args = process.argv.slice(2);
const asks = (...names) => args.some((argument) => names.includes(argument));

installPackages();
await build();
if (!asks('--help', '-h', '--table')) {
  await installLibrary();
  const graft = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');
  // What cannot be fetched is left out by the story, which says so.
  const get = (...model) =>
    spawnSync(process.execPath, [graft, 'model', 'get', ...model], { stdio: ['ignore', 'ignore', 'inherit'] });
  get('smollm2-135m-instruct');
  if (asks('--accept-license')) get('gemma-3-270m', '--accept-license');
}
const main = join(ROOT, 'examples', 'real', 'dist', 'main.js');
const child = spawn(process.execPath, [main, ...args], { stdio: 'inherit' });
// Ctrl-C reaches the child too, which saves before it stops; this process waits for it. Other signals come here alone.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => void child.kill(signal));
child.on('exit', (status, signal) => {
  process.exitCode = signal ? 1 : (status ?? 1);
});
