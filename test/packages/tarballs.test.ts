/** What is published: each package's tarball, before anybody installs it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../support';
import { write } from '../e2e/support/graft';
import { manifestOf, nodeTool, packAll, WORKSPACES, type Tarball } from './tarballs';

let tarballs: Tarball[];
const stale = join(ROOT, 'packages', 'errors', 'dist', 'renamed', 'earlier.js');
beforeAll(async () => {
  write(stale, '// The source of this file has another name now.');
  tarballs = await packAll(temporaryFolder());
});

describe.each(WORKSPACES.map((folder) => [manifestOf(folder).name]))('the tarball of %s', (name) => {
  const tarball = (): Tarball => tarballs.find(({ manifest }) => manifest.name === name)!;

  it('contains a README with lines to run, the licence and the build, and neither sources nor tests', () => {
    const { paths, folder } = tarball();
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json', 'dist/index.js']));
    expect(paths.filter((path) => /^(src|test)|\.test\.|tsbuildinfo/.test(path))).toEqual([]);
    expect(readFileSync(join(ROOT, folder, 'README.md'), 'utf8')).toMatch(/```ts\n[^`]*import /);
  });

  it('contains only built files that a source has', () => {
    const { paths, folder } = tarball();
    const built = paths.filter((path) => path.startsWith('dist/') && !path.endsWith('.map'));
    const sourceOf = (path: string): string =>
      path.replace(/^dist/, 'src').replace(/(?:\.d)?\.([mc]?)[jt]s$/, (_, kind: string) => `.${kind}ts`);
    expect(built.filter((path) => !existsSync(join(ROOT, folder, sourceOf(path))))).toEqual([]);
  });

  it('contains every source map that its files name, with the sources inside', () => {
    const { paths, folder } = tarball();
    const named = paths.flatMap((path) => {
      if (!/^dist\/.*\.(js|mjs|d\.ts|d\.mts)$/.test(path)) return [];
      const [, map] = /\/\/# sourceMappingURL=(.+)$/m.exec(readFileSync(join(ROOT, folder, path), 'utf8')) ?? [];
      return map ? [join(path, '..', map)] : [];
    });
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((map) => !paths.includes(map))).toEqual([]);
    for (const map of named) {
      const { sourcesContent } = JSON.parse(readFileSync(join(ROOT, folder, map), 'utf8')) as {
        sourcesContent?: unknown[];
      };
      expect(sourcesContent).toHaveLength(1);
    }
  });

  it('passes publint', async () => {
    await nodeTool('publint/src/cli.js', [tarball().file, '--strict']);
  });
});

it('packing removes built files that no source has, and nothing else', () => {
  const root = temporaryFolder();
  const file = (path: string): string => join(root, 'packages', 'one', path);
  const kept = ['dist/index.js', 'dist/index.d.ts', 'dist/index.js.map', 'dist/index.mjs', 'dist/tsconfig.tsbuildinfo'];
  const gone = ['dist/old.js', 'dist/old.d.ts', 'dist/inner/old.js.map', 'dist/a.test.js', 'dist/index.cjs'];
  for (const path of ['src/index.ts', 'src/index.mts', 'src/a.test.ts', ...kept, ...gone]) write(file(path), '');
  spawnSync(process.execPath, [join(ROOT, 'scripts', 'stale.mjs'), root]);
  expect(kept.filter((path) => !existsSync(file(path)))).toEqual([]);
  expect([...gone, 'dist/inner'].filter((path) => existsSync(file(path)))).toEqual([]);
  expect(existsSync(stale)).toBe(false);
});
