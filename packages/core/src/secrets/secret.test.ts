import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { temporaryFolder } from '@graft/test-support';
import { redact } from './redact';
import { isSecret, Secret } from './secret';

const folder = temporaryFolder();

function file(name: string, content: string | Buffer, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

test('only reveal() gives the value of a secret', () => {
  const secret = new Secret('canary-1');
  expect(secret.reveal()).toBe('canary-1');
  const written = [
    String(secret),
    `${secret as unknown as string}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    inspect(secret, { showHidden: true }),
  ];
  for (const text of written) {
    expect(text).toContain('***');
    expect(text).not.toContain('canary');
  }
  expect(Object.entries(secret)).toEqual([]);
  expect(isSecret(secret)).toBe(true);
  expect(isSecret(structuredClone(secret))).toBe(false);
});

test('a variable or file is read once by reveal(), and a secret is written as its reference', () => {
  process.env.GRAFT_TEST_SECRET = 'from-variable';
  const variable = new Secret({ env: 'GRAFT_TEST_SECRET' });
  expect(variable.reveal()).toBe('from-variable');
  delete process.env.GRAFT_TEST_SECRET;
  expect(variable.reveal()).toBe('from-variable');
  expect(JSON.stringify(variable)).toBe('{"env":"GRAFT_TEST_SECRET"}');
  for (const [content, value] of [
    ['token\n', 'token'],
    ['token\r\n', 'token'],
    ['two\nlines\n\n', 'two\nlines\n'],
    [' no end', ' no end'],
  ]) {
    const path = file('token', content);
    const secret = new Secret({ file: path });
    expect(secret.reveal()).toBe(value);
    expect(secret.warning).toBeUndefined();
    expect(JSON.stringify(secret)).toBe(JSON.stringify({ file: path }));
  }
});

test('an unset variable and a file without a valid secret are errors', () => {
  process.env.GRAFT_TEST_EMPTY = '';
  mkdirSync(join(folder, 'folder'));
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  const cases: [{ env: string } | { file: string }, RegExp][] = [
    [{ env: 'GRAFT_TEST_NOT_SET' }, /^the environment variable GRAFT_TEST_NOT_SET is not set$/],
    [{ env: 'GRAFT_TEST_EMPTY' }, /^the environment variable GRAFT_TEST_EMPTY is empty$/],
    [{ file: join(folder, 'none') }, /^the file .*none cannot be read: there is no such file$/],
    [{ file: join(folder, 'folder') }, /cannot be read: it is a folder$/],
    [{ file: join(folder, 'fifo') }, /cannot be read: it is a FIFO, not a regular file$/],
    [{ file: file('empty', '\n') }, /is empty$/],
    [{ file: file('binary', Buffer.from([0xff])) }, /is not UTF-8$/],
    [{ file: file('large', 'x'.repeat(65_537)) }, /has more than 65536 bytes/],
  ];
  for (const [source, message] of cases) expect(() => new Secret(source).reveal()).toThrow(message);
});

test('a user name is masked in its field but not searched for in other texts', () => {
  const user = new Secret('margarete', { maskInTexts: false });
  expect(user.reveal()).toBe('margarete');
  expect(JSON.stringify({ user })).toBe('{"user":"***"}');
  expect(redact('/home/margarete/runs')).toBe('/home/margarete/runs');
});

test('a secret file that others can read gets a warning', () => {
  for (const mode of [0o640, 0o604, 0o622]) {
    const secret = new Secret({ file: file('open', 'x', mode) });
    secret.reveal();
    expect(secret.warning).toMatch(/others can read or change it; `chmod 600` it/);
  }
});
