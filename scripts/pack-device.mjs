// One archive for a machine with an NVIDIA GPU and no network: Node, Graft in one file for each check, koffi, the peers'
// scripts, and device-check.sh, which runs them. npm run pack:device
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MOST_MEGABYTES = 60;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'dist-device', 'graft-device');
const archive = join(root, 'dist-device', 'graft-device.tar.xz');

rmSync(join(root, 'dist-device'), { recursive: true, force: true });
const from = join(root, 'test', 'device');
await build({
  entryPoints: ['golden', 'attention', 'train', 'generate'].map((name) => join(from, `${name}.mjs`)),
  outdir: join(folder, 'test', 'device'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['koffi'],
  // Its main file requires its parts in a way that cannot be bundled.
  alias: { 'jsonc-parser': join(root, 'node_modules/jsonc-parser/lib/esm/main.js') },
  logLevel: 'warning',
});
const copy = (path, to = path) => cpSync(join(root, path), join(folder, to), { recursive: true });
// Core reads its version from the package.json two folders up.
copy('packages/core/package.json', 'package.json');
copy('test/golden/fixtures');
for (const name of ['bench_hf.py', 'bench_jax.py', 'bench_sizes.py']) copy(`test/peers/${name}`);
for (const name of ['sizes', 'train_jax', 'train_torch', 'generate_torch']) copy(`test/peers/device/${name}.py`);
copy('test/device/check.mjs');
copy('test/device/device-check.sh', 'device-check.sh');
for (const name of ['koffi', '@koromix/koffi-linux-x64']) {
  mkdirSync(join(folder, 'node_modules', dirname(name)), { recursive: true });
  copy(join('node_modules', name));
}
copyFileSync(process.execPath, join(folder, 'node'));
chmodSync(join(folder, 'node'), 0o755);
execFileSync('tar', ['-C', dirname(folder), '-cJf', archive, 'graft-device'], {
  env: { ...process.env, XZ_OPT: '-6 -T0' },
  stdio: 'inherit',
});
const megabytes = statSync(archive).size / 1e6;
console.log(`dist-device/graft-device.tar.xz: ${megabytes.toFixed(1)} MB`);
if (megabytes > MOST_MEGABYTES) {
  console.error(`The archive is larger than ${MOST_MEGABYTES} MB.`);
  process.exitCode = 1;
}
