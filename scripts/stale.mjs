// Removes from the `dist` folders what no source has: the compiler leaves the output of sources that were renamed or deleted,
// and `npm pack` would publish it. A part of `npm run build` and of `npm run pack`.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOTS = ['packages', 'plugins', 'examples'];
/** What the compiler writes for `NAME.ts`, `NAME.mts` and `NAME.cts`. */
const OUTPUT = /^(.*?)(?:\.d)?\.([mc]?)[jt]s(?:\.map)?$/;

function hasSource(folder, file) {
  const [, name, kind] = OUTPUT.exec(file) ?? [];
  // A tsbuildinfo, for one.
  if (name === undefined) return true;
  return existsSync(join(folder, 'src', `${name}.${kind}ts`)) && !name.endsWith('.test');
}

/** Removes them from every package in `root`, and returns their paths. */
export function removeStale(root = ROOT) {
  const removed = [];
  for (const parent of ROOTS.map((name) => join(root, name)).filter(existsSync))
    for (const folder of readdirSync(parent).map((name) => join(parent, name))) {
      const dist = join(folder, 'dist');
      if (!existsSync(dist)) continue;
      const entries = readdirSync(dist, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      for (const file of files.filter((file) => !hasSource(folder, relative(dist, file)))) {
        rmSync(file);
        removed.push(relative(root, file));
      }
      const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
      // The innermost first.
      for (const inner of folders.sort().reverse()) if (readdirSync(inner).length === 0) rmdirSync(inner);
    }
  return removed;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const removed = removeStale(process.argv[2]);
  if (removed.length > 0)
    console.error(`Removed ${removed.length} built files without a source, such as ${removed[0]}.`);
}
