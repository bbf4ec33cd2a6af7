// npm run docs:options: rewrites docs/reference.md from the schemas of all components, as `graft plugins --markdown` prints
// them, and the types of configs that @graft/cli brings, as `graft plugins --types` does. It needs the build
// (`npm run build`).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'docs', 'reference.md');
const TYPES = join(ROOT, 'packages', 'cli', 'types', 'components.d.ts');

const command = join(ROOT, 'packages', 'cli', 'dist', 'main.js');
// In a folder without plugins of its own.
const print = (form) => execFileSync(process.execPath, [command, 'plugins', form], { encoding: 'utf8', cwd: ROOT });
const page = print('--markdown');
writeFileSync(PAGE, page);
writeFileSync(TYPES, print('--types'));
console.log(
  `${page.match(/^### /gm).length} tables of options in docs/reference.md; packages/cli/types has their types.`,
);
