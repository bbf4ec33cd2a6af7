/** The public API of the packages: named one by one, and reported in docs/api. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const entrances = ['packages', 'plugins']
  .flatMap((root) => readdirSync(join(ROOT, root)).map((name) => join(root, name, 'src', 'index.ts')))
  .filter((file) => existsSync(join(ROOT, file)));

test.each(entrances)('%s names every export', (file) => {
  const text = readFileSync(join(ROOT, file), 'utf8');
  // Interfaces that users extend by `declare module` are the one exception.
  const unnamed = [...text.matchAll(/^export \* from '(.*)'/gm)].map(([, from]) => from);
  expect(unnamed).toEqual(file.includes('core') ? ['./interfaces/component-options'] : []);
});

test('the reports in docs/api agree with the build', () => {
  // `npm run build` and `npm run api` rewrite them.
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'api.mjs'), '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('internals appear in no report', () => {
  for (const name of readdirSync(join(ROOT, 'docs', 'api')))
    expect(readFileSync(join(ROOT, 'docs', 'api', name), 'utf8')).not.toMatch(/^## `.*internal`|\bTrainingLoop;/m);
});
