import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { refuseDuplicates } from './duplicates';

/** Files of a copy of a package in a new node_modules folder. */
function copyOf(name: string, version: string): string[] {
  const folder = join(temporaryFolder(), 'node_modules', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
  return [join(folder, 'dist', 'index.js'), join(folder, 'dist', 'other.js')];
}

it.each(['@graft/core', '@graft/engine', '@tensorflow/tfjs-core', 'tsyringe'])(
  'two copies of %s are reported with their versions, folders and the command that mends it',
  (name) => {
    const [first, second] = [copyOf(name, '1.0.0'), copyOf(name, '1.1.0')];
    expect(() => refuseDuplicates([...first, ...second])).toThrow(
      expect.objectContaining({
        code: 'plugin.duplicate-package',
        message: `Two copies of ${name} are loaded, which do not know of each other: 1.0.0 in ${first[0].replace('/dist/index.js', '')} and 1.1.0 in ${second[0].replace('/dist/index.js', '')}.`,
        hint: expect.stringContaining('Run `npm dedupe`') as string,
      }),
    );
  },
);

it('one copy of each, however many files of it are loaded, is fine, and so are two of any other package', () => {
  expect(() =>
    refuseDuplicates([
      ...['@graft/engine', '@tensorflow/tfjs-core', 'tsyringe', 'zod'].flatMap((name) => copyOf(name, '1.0.0')),
      ...copyOf('zod', '2.0.0'),
    ]),
  ).not.toThrow();
});

it('a copy in node_modules is a second one next to the clone that runs', () => {
  const own = [join(__dirname, '..', '..', 'dist', 'index.js')];
  expect(() => refuseDuplicates(own)).not.toThrow();
  expect(() => refuseDuplicates([...own, ...copyOf('@graft/core', '0.1.0')])).toThrow(/Two copies of @graft\/core/);
});
