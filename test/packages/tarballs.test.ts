/** What is published: each package's tarball, before anybody installs it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../support';
import { manifestOf, nodeTool, packAll, WORKSPACES, type Tarball } from './tarballs';

let tarballs: Tarball[];
beforeAll(async () => {
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
