// What `npm start` and `npm test` need before any npm package is there: Node built-ins only.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeStale } from './stale.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

const run = (command, args, options = {}) => spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });

/** npm's own record of what it installed; older than the lock file means that packages changed since. */
function packagesAreCurrent() {
  const record = join(ROOT, 'node_modules', '.package-lock.json');
  return existsSync(record) && statSync(record).mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs - 1000;
}

export function installPackages() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) fail(`Graft needs Node 20 or newer; this is Node ${process.versions.node}.`);
  if (packagesAreCurrent()) return;
  console.error('Installing npm packages …');
  // Under `npm start` npm says where it is; another package manager would say where that is.
  const itself = process.env.npm_execpath ?? '';
  const npm = /npm-cli\.c?js$/.test(itself) ? [process.execPath, itself] : ['npm'];
  // The compiler is a development dependency, which NODE_ENV=production would leave out.
  const { status } = run(npm[0], [...npm.slice(1), 'ci', '--include=dev', '--no-audit', '--no-fund']);
  if (status !== 0) fail('The npm packages could not be installed (see above); Graft cannot run without them.');
}

export async function build() {
  // From a package of its own, which is there only now.
  const { vendor } = await import('./vendor.mjs');
  await vendor();
  const { status } = run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-b']);
  if (status !== 0) fail('The build failed; see above.');
  removeStale();
}

/** XLA's plugin for CPUs, on which the tests of PJRT run; without it they are skipped. */
export async function installPjrtPlugin() {
  const { createRequire } = await import('node:module');
  const engine = createRequire(join(ROOT, 'package.json'))('@graft/engine');
  try {
    await engine.installPlugin('cpu');
  } catch (error) {
    console.error(error.message);
    console.error('Going on without the PJRT plugin for CPUs; its tests are skipped.');
  }
}

/** The native library, or a sentence on why the portable engine will do the work. */
export async function installLibrary() {
  const { createRequire } = await import('node:module');
  const engine = createRequire(join(ROOT, 'package.json'))('@graft/engine');
  if (process.env.GRAFT_TENSORFLOW) return;
  let announced = '';
  try {
    await engine.installNativeLibrary({
      onProgress: ({ stage }) => {
        if (stage !== announced) console.error(`Native TensorFlow: ${stage} …`);
        announced = stage;
      },
    });
  } catch (error) {
    console.error(`${error.message}${error.hint ? ` ${error.hint}` : ''}`);
    console.error('Going on without it, on the portable engine, which is slower.');
  }
}
