import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { readInput } from './input';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const makeFifo = (name: string): string => {
  execFileSync('mkfifo', [at(name)]);
  return at(name);
};

test('a regular file is read', async () => {
  writeFileSync(at('file'), 'abc');
  expect((await readInput(at('file'))).toString()).toBe('abc');
});

test.each([
  ['a writer that comes late', 'sleep 0.2; printf abc > "$1"'],
  ['a writer that is slow', 'exec 3> "$1"; printf a >&3; sleep 0.3; printf bc >&3'],
])('a FIFO is read to its end: %s', async (name, script) => {
  const fifo = makeFifo(name);
  const writer = spawn('sh', ['-c', script, 'sh', fifo]);
  expect((await readInput(fifo)).toString()).toBe('abc');
  writer.kill();
});

test('reading a FIFO without a writer ends at its timeout', async () => {
  await expect(readInput(makeFifo('lonely'), { writerSeconds: 0.1 })).rejects.toMatchObject({
    message: 'it is a FIFO to which no process has written for 0.1 s',
    code: 'NO_WRITER',
  });
});

test('reading an endless FIFO ends at the size limit', async () => {
  const fifo = makeFifo('endless');
  const writer = spawn('sh', ['-c', 'cat /dev/zero > "$1"', 'sh', fifo]);
  await expect(readInput(fifo, { maxBytes: 100_000 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  writer.kill();
});

test.each([
  ['/dev/zero', 'it is a device, not a file or a FIFO'],
  ['/dev', 'it is a folder'],
  ['/gone', 'there is no such file'],
])('%s is rejected with the reason', async (path, message) => {
  await expect(readInput(path)).rejects.toThrow(message);
});

test.each([
  ['/dev/stdin', 'printf abc | "$@" /dev/stdin'],
  ['an empty /dev/stdin', '"$@" /dev/stdin < /dev/null | sed "s/device.*/device/"'],
  ['a substituted process', '"$@" <(sleep 0.2; printf abc)'],
  ['a substituted process without output', '"$@" <(true)'],
])('an input that the shell provides is read: %s', (name, script) => {
  const program = `require(${JSON.stringify(join(__dirname, '../dist'))}).readInput(process.argv[1])
    .then((bytes) => process.stdout.write(JSON.stringify(bytes.toString())), (error) => process.stdout.write(error.message))`;
  const { stdout } = spawnSync('bash', ['-c', script, 'bash', process.execPath, '-e', program], {
    encoding: 'utf8',
    timeout: 5000,
  });
  const expected = name.includes('empty') ? 'it is a device' : name.includes('without') ? '""' : '"abc"';
  expect(stdout.trim()).toBe(expected);
});
