import { execFileSync } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { openRegularFile, openRegularFileSync, readRegularFile, streamRegularFile } from './regular-file';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  execFileSync('mkfifo', [at('fifo')]);
  mkdirSync(at('inside'));
  symlinkSync('fifo', at('link-to-fifo'));
  symlinkSync('circle', at('circle'));
  writeFileSync(at('file'), 'abc\n');
  symlinkSync('file', at('link'));
});

test.each([
  ['fifo', 'it is a FIFO, not a regular file', 'NOT_REGULAR'],
  ['link-to-fifo', 'it is a FIFO, not a regular file', 'NOT_REGULAR'],
  ['inside', 'it is a folder', 'EISDIR'],
  ['circle', 'its symbolic links lead in a circle', 'ELOOP'],
  ['gone', 'there is no such file', 'ENOENT'],
  ['file/below', 'a part of its path is not a folder', 'ENOTDIR'],
  ['/dev/zero', 'it is a device, not a regular file', 'NOT_REGULAR'],
  ['/dev/null', 'it is a device, not a regular file', 'NOT_REGULAR'],
])('opening the path "%s" fails at once', async (name, message, code) => {
  const path = name.startsWith('/') ? name : at(name);
  for (const open of [openRegularFile, readRegularFile, streamRegularFile])
    await expect(open(path)).rejects.toMatchObject({ name: 'FileProblem', message, code });
  expect(() => openRegularFileSync(path)).toThrow(message);
});

test('opening a socket fails at once', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(at('socket'), resolve));
  await expect(readRegularFile(at('socket'))).rejects.toThrow('it is a socket, not a regular file');
  server.close();
});

test('a regular file is read whole, also through symbolic links', async () => {
  for (const name of ['file', 'link']) {
    expect((await readRegularFile(at(name))).toString()).toBe('abc\n');
    const pieces: Buffer[] = [];
    for await (const piece of await streamRegularFile(at(name), { start: 1 })) pieces.push(piece as Buffer);
    expect(Buffer.concat(pieces).toString()).toBe('bc\n');
  }
  closeSync(openRegularFileSync(at('link')));
  writeFileSync(at('empty'), '');
  expect((await readRegularFile(at('empty'))).length).toBe(0);
});

test('a file that reports no size, as under /proc, is read to its end', async () => {
  expect((await readRegularFile('/proc/self/mounts')).toString()).toBe(readFileSync('/proc/self/mounts', 'utf8'));
  const [large] = [at('proc-like')];
  writeFileSync(large, 'x'.repeat(200_000));
  expect((await readRegularFile(large)).length).toBe(200_000);
});

test('a file above the size limit is rejected, even if it reports a smaller size', async () => {
  writeFileSync(at('long'), 'x'.repeat(3000));
  await expect(readRegularFile(at('long'), { maxBytes: 2048 })).rejects.toMatchObject({
    message: 'it has 2.9 KiB, expected at most 2.0 KiB',
    code: 'TOO_LARGE',
  });
  expect((await readRegularFile(at('long'), { maxBytes: 3000 })).length).toBe(3000);
  // Its size is 0, and what it holds is longer.
  await expect(readRegularFile('/proc/self/mounts', { maxBytes: 10 })).rejects.toThrow(
    'it has more than the 10 bytes that are read',
  );
  const handle = await openRegularFile(at('file'));
  appendFileSync(at('file'), 'more');
  await handle.close();
  expect((await readRegularFile(at('file'))).toString()).toBe('abc\nmore');
});
