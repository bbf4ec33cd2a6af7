// npm run docs:options: rewrites docs/reference.md from the schemas of all components, as `graft plugins --markdown` prints
// them. It needs the build (`npm run build`).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'docs', 'reference.md');

const command = join(ROOT, 'packages', 'cli', 'dist', 'main.js');
// In a folder without plugins of its own.
const page = execFileSync(process.execPath, [command, 'plugins', '--markdown'], { encoding: 'utf8', cwd: ROOT });
writeFileSync(PAGE, page);
console.log(`${page.match(/^### /gm).length} tables of options in docs/reference.md.`);
