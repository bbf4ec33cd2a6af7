// What runs on a machine with an accelerator and no network: npm run pack:device
import { build } from 'esbuild';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'dist-device');
rmSync(folder, { recursive: true, force: true });
const from = join(root, 'test', 'device');
await build({
  entryPoints: ['golden', 'attention', 'train'].map((name) => join(from, `${name}.mjs`)),
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
// Core reads its version from the package.json two folders up.
cpSync(join(root, 'packages', 'core', 'package.json'), join(folder, 'package.json'));
cpSync(join(root, 'test', 'golden', 'fixtures'), join(folder, 'test', 'golden', 'fixtures'), { recursive: true });
for (const name of ['koffi', '@koromix/koffi-linux-x64']) {
  mkdirSync(join(folder, 'node_modules', dirname(name)), { recursive: true });
  cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true });
}
