// npm run test:real: real pretrained models, whose weights are in Graft's cache and never in the repository. Fetches those
// that are missing; one with terms only with --accept-license. Other arguments go to jest.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
await build();
await installLibrary();

const accepts = process.argv.includes('--accept-license');
const run = (args, env = {}) =>
  spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1;
const graft = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');
// What cannot be fetched is skipped with a sentence.
run([graft, 'model', 'get', 'smollm2-135m-instruct']);
if (accepts) run([graft, 'model', 'get', 'gemma-3-270m', '--accept-license']);

const more = process.argv.slice(2).filter((argument) => argument !== '--accept-license');
process.exitCode = run([join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js'), 'test/real', '--maxWorkers=1', ...more], {
  GRAFT_REAL: '1',
});
