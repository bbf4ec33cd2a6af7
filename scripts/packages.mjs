import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** The packages that are published: what their package.json says, and their folder, relative to the repository's root. */
export function listPackages() {
  return ['packages', 'plugins']
    .flatMap((root) => readdirSync(join(ROOT, root)).map((name) => join(root, name)))
    .filter((folder) => existsSync(join(ROOT, folder, 'package.json')))
    .map((folder) => ({ folder, ...JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) }));
}
