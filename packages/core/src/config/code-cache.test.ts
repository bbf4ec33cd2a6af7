import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync as rename,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { importCode } from './code';
import { CodeCache } from './code-cache';

const OTHER_USER = 54_321;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A cache with one entry. */
function filled(): { root: string; folder: string; file: string; get: (parts?: unknown[]) => string } {
  const root = join(temporaryFolder(), 'cache');
  const cache = new CodeCache(root);
  const get = (parts: unknown[] = ['source']): string => cache.get(parts, () => 'made');
  get();
  const folder = join(root, 'code');
  return { root, folder, file: join(folder, readdirSync(folder)[0]), get };
}

/** What an attacker would have written: as whole as any. */
const plant = (file: string): void => writeFileSync(file, `${digest('planted')}planted`, { mode: 0o600 });

test('an entry is computed once per source and stored in a folder that is private to the user', () => {
  const { root, folder, file, get } = filled();
  for (const [path, mode] of [
    [root, 0o700],
    [folder, 0o700],
    [file, 0o600],
  ] as const)
    expect(statSync(path).mode & 0o777).toBe(mode);
  plant(file); // By the user: trusted.
  expect(get()).toBe('planted');
  expect(get(['another source'])).toBe('made');
});

test.each<[string, (at: ReturnType<typeof filled>) => void]>([
  ['everybody can write to the entry', ({ file }) => chmodSync(file, 0o666)],
  ['everybody can write to the folder', ({ folder }) => chmodSync(folder, 0o777)],
  ['everybody can write to the cache', ({ root }) => chmodSync(root, 0o777)],
  [
    'the folder is a link',
    ({ root, folder, file }) => {
      const elsewhere = temporaryFolder();
      plant(join(elsewhere, file.slice(folder.length + 1)));
      rename(folder, `${root}/old`);
      symlinkSync(elsewhere, folder);
    },
  ],
  [
    'the entry is a link',
    ({ file }) => {
      rename(file, `${file}.old`);
      symlinkSync(`${file}.old`, file);
    },
  ],
  ['the entry is cut', ({ file }) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, -1))],
  [
    'the entry is a folder',
    ({ file }) => {
      rename(file, `${file}.old`);
      mkdirSync(file);
    },
  ],
  ...(process.getuid!() === 0
    ? [
        [
          "the entry is another user's",
          ({ file }: ReturnType<typeof filled>) => chownSync(file, OTHER_USER, OTHER_USER),
        ] as [string, (at: ReturnType<typeof filled>) => void],
      ]
    : []),
])('an entry that others could have written is never read: %s', (_, open) => {
  const at = filled();
  plant(at.file);
  open(at);
  expect(at.get()).toBe('made');
});

test('storing an entry removes the old ones', () => {
  const { folder, file, get } = filled();
  const monthAgo = Date.now() / 1000 - 31 * 86_400;
  utimesSync(file, monthAgo, monthAgo);
  get(['another source']);
  expect(existsSync(file)).toBe(false);
  expect(readdirSync(folder)).toHaveLength(1);
});

test('compiling TypeScript writes to the code cache and nowhere else', async () => {
  const before = { ...process.env };
  const temporary = temporaryFolder();
  process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
  process.env.TMPDIR = temporary;
  try {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'helper.ts'), 'export const three: number = 3;');
    const file = join(folder, 'config.ts');
    writeFileSync(file, "import { three } from './helper';\nexport default { three, url: import.meta.url as string };");
    const seen: string[] = [];
    expect(await importCode(file, { default: true, onCode: ({ path }) => seen.push(path) })).toEqual({
      three: 3,
      url: `file://${file}`,
    });
    expect([...new Set(seen)]).toEqual([file, join(folder, 'helper.ts')]);
    expect(readdirSync(join(process.env.GRAFT_CACHE, 'code'))).toHaveLength(2);
    expect(readdirSync(temporary)).toEqual([]);
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
  } finally {
    process.env = before;
  }
});
