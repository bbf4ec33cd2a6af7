import { chmodSync, chownSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { findUntrusted, makePrivateFolder, mendingCommand } from './ownership';

const ME = process.getuid!();
/** Somebody who is neither root nor the owner of what these tests make. */
const OTHER_USER = 54_321;

/** `root/inside/file`, all of this user's and closed to others. */
function tree(): { root: string; inside: string; file: string } {
  const root = temporaryFolder();
  const inside = join(root, 'inside');
  mkdirSync(inside, { mode: 0o755 });
  writeFileSync(join(inside, 'file'), '', { mode: 0o644 });
  return { root, inside, file: join(inside, 'file') };
}

test('paths of the user, of root, and paths that do not exist are trusted', () => {
  const { root, inside, file } = tree();
  for (const path of [root, inside, file, join(inside, 'gone'), join(root, 'gone', 'file')])
    expect(findUntrusted(root, path)).toBeUndefined();
  expect(findUntrusted('/', '/etc/passwd', { user: OTHER_USER })).toBeUndefined();
});

test.each<[string, (at: ReturnType<typeof tree>) => string, number, RegExp]>([
  ['a file that everybody can write', ({ file }) => file, 0o646, /^every user can write to it \(mode 0646\)$/],
  ['a folder that everybody can write', ({ inside }) => inside, 0o777, /^every user can write to it \(mode 0777\)$/],
  ['a root that everybody can write', ({ root }) => root, 0o757, /^every user can write to it \(mode 0757\)$/],
])('%s is not trusted', (_, of, mode, reason) => {
  const at = tree();
  chmodSync(of(at), mode);
  const found = findUntrusted(at.root, at.file);
  expect(found).toMatchObject({ path: of(at), kind: 'mode', reason: expect.stringMatching(reason) as string });
  expect(mendingCommand(found!)).toBe(`chmod go-w '${of(at)}'`);
});

test('a sticky folder is trusted if its contents are', () => {
  const at = tree();
  chmodSync(at.root, 0o1777);
  expect(findUntrusted(at.root, at.file)).toBeUndefined();
});

test('a symbolic link below the root is not trusted, but the root itself may be one', () => {
  const at = tree();
  symlinkSync('inside', join(at.root, 'link'));
  expect(findUntrusted(at.root, join(at.root, 'link', 'file'))).toMatchObject({
    path: join(at.root, 'link'),
    kind: 'link',
    reason: 'it is a symbolic link, which may lead anywhere',
  });
  const alias = join(temporaryFolder(), 'alias');
  symlinkSync(at.root, alias);
  expect(findUntrusted(alias, join(alias, 'inside', 'file'))).toBeUndefined();
});

test('a path of another user is not trusted unless that user is', () => {
  const at = tree();
  const options = { user: OTHER_USER };
  // Root's things are everybody's to trust: without root rights the roles are turned round.
  if (ME === 0) chownSync(at.file, OTHER_USER, OTHER_USER);
  const found = findUntrusted(at.root, at.file, ME === 0 ? {} : options);
  const [owner, user] = ME === 0 ? [OTHER_USER, 0] : [ME, OTHER_USER];
  expect(found).toMatchObject({ kind: 'owner', reason: `it belongs to user ${owner}, and you are user ${user}` });
  expect(findUntrusted(at.root, at.file, { ...(ME === 0 ? {} : options), owners: [owner] })).toBeUndefined();
});

test('a private folder is created with mode 0700, an open one is closed, and links are not followed', () => {
  const root = join(temporaryFolder(), 'cache');
  const folder = join(root, 'a', 'b');
  expect(makePrivateFolder(root, folder)).toBeUndefined();
  for (const path of [root, join(root, 'a'), folder]) expect(statSync(path).mode & 0o777).toBe(0o700);
  chmodSync(folder, 0o777);
  expect(makePrivateFolder(root, folder)).toBeUndefined();
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const elsewhere = temporaryFolder();
  symlinkSync(elsewhere, join(root, 'link'));
  expect(makePrivateFolder(root, join(root, 'link', 'c'))).toMatchObject({ kind: 'link' });
  expect(existsSync(join(elsewhere, 'c'))).toBe(false);
  writeFileSync(join(root, 'file'), '');
  expect(makePrivateFolder(root, join(root, 'file', 'c'))).toMatchObject({ kind: 'error' });
});
