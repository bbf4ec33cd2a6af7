import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { findFiles } from './find-files';

const NAMES = [
  'data (1)',
  '[ab]',
  'a',
  'b',
  '{x,y}',
  'x',
  'p+q',
  '+(p)',
  'p',
  '@(z)',
  'z',
  '!no',
  '!(a)',
  'back\\slash',
  'q?',
  'qq',
  's*',
  's1',
  '**',
  '^c',
  '$d',
  'e|f',
  '~g',
  'h#',
  '(i',
  ']j',
  '}k',
  'é 😀',
];

const base = temporaryFolder();
const folder = join(base, 'outer (2) [c] \\d');
for (const name of NAMES) {
  mkdirSync(join(folder, name, 'deep'), { recursive: true });
  for (const file of ['f.txt', 'g.txt', 'h.md', 'deep/f.txt']) writeFileSync(join(folder, name, file), name);
}
for (const name of ['f[1].txt', 'f1.txt', 'f.*', '{f,g}.txt']) writeFileSync(join(folder, 'a', name), name);

const found = async (pattern: string | string[], exclude?: string[]): Promise<string[]> =>
  (
    await findFiles(
      [pattern].flat().map((one) => join(folder, one)),
      exclude,
    )
  ).map(({ path }) => relative(folder, path));

describe('a pattern in a folder with special characters in its name', () => {
  it.each(NAMES)('the pattern matches only that folder: %s', async (name) => {
    expect(await found(`${name}/[gf].txt`)).toEqual([`${name}/f.txt`, `${name}/g.txt`]);
    expect(await found(`${name}/f.txt`)).toEqual([`${name}/f.txt`]);
    expect(await found(`${name}/**/f.txt`)).toEqual([`${name}/deep/f.txt`, `${name}/f.txt`]);
    expect(await found(`${name}/*/{f,g}.txt`)).toEqual([`${name}/deep/f.txt`]);
    expect(await found(`${name}/deep`)).toEqual([`${name}/deep/f.txt`]);
  });

  it.each(NAMES)('files of that folder can be excluded: %s', async (name) => {
    expect(
      await found(`${name}/**/*.txt`, ['**/g.txt', '**/f[0-9[]*', '**/a/[{]*', join(folder, name, 'deep')]),
    ).toEqual([`${name}/f.txt`]);
    expect(await found(`${name}/[fg].txt`, [join(folder, name, 'g.txt')])).toEqual([`${name}/f.txt`]);
    expect(await found(`${name}/[fg].txt`, [join(folder, name, '{g,h}.*')])).toEqual([`${name}/f.txt`]);
  });
});

it('a wildcard that is not the name of a file matches other names', async () => {
  expect(await found('[pz]/f.txt')).toEqual(['p/f.txt', 'z/f.txt']);
  expect(await found('{a,z}/h.md')).toEqual(['a/h.md', 'z/h.md']);
  expect(await found('a/f[0-9].txt')).toEqual(['a/f1.txt']);
  expect(await found('data \\(1\\)/f.txt')).toEqual(['data (1)/f.txt']);
});

it('a file with exactly that name is preferred to the wildcard', async () => {
  for (const name of ['f[1].txt', 'f.*', '{f,g}.txt']) expect(await found(`a/${name}`)).toEqual([`a/${name}`]);
  expect(await found(['a/f[1].txt', 'a/f1.txt'])).toEqual(['a/f1.txt', 'a/f[1].txt']);
});

it('patterns that match nothing are errors, and so are exclusions that never could', async () => {
  await expect(found('a/*.json')).rejects.toMatchObject({ code: 'data.no-files', exitCode: 2 });
  await expect(found('a/*.txt', ['f.txt'])).rejects.toMatchObject({
    code: 'data.pattern',
    hint: 'It is compared with absolute paths: "**/f.txt" is what has that name in any folder.',
  });
});
