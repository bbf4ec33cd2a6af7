import { existsSync, fstatSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { folderProvider, memoryProviders, sweep } from './memory-providers';

const parent = temporaryFolder();

test('the first place is memory without a name, which other users cannot open', () => {
  const [first] = memoryProviders();
  if (process.platform !== 'linux') return;
  expect(first.name).toBe('memory');
  const { path, descriptor, remove } = first.create(1 << 20);
  const { size, mode, blocks } = statSync(path);
  expect([size, mode & 0o777, blocks * 512]).toEqual([1 << 20, 0o600, 1 << 20]);
  remove();
  expect(() => fstatSync(descriptor)).toThrow('EBADF');
});

test('a file is for its owner alone, has all its bytes, and goes', () => {
  const { path, remove } = folderProvider(parent).create(1 << 20);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(1 << 20);
  remove();
  expect(readdirSync(parent)).toEqual([]);
});

test('a folder that has no room is refused before anything is written', () => {
  expect(() => folderProvider(parent).create(2 ** 50)).toThrow(/^\d+ bytes are free, and 1125899906842624 are needed$/);
  expect(readdirSync(parent)).toEqual([]);
});

test('what was left by a process that is gone is removed by the next, and nothing else', () => {
  const make = (name: string, ageMs: number): string => {
    const folder = join(parent, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'memory'), '');
    const time = new Date(Date.now() - ageMs);
    utimesSync(folder, time, time);
    return folder;
  };
  // Larger than Linux's largest.
  const gone = 2 ** 22 + 1;
  const old = make(`graft-workers-${gone}-a`, 3_600_000);
  const young = make(`graft-workers-${gone}-b`, 1000);
  const alive = make(`graft-workers-${process.pid}-c`, 3_600_000);
  const other = make(`graft-other-${gone}-d`, 3_600_000);
  sweep(parent);
  expect([old, young, alive, other].map(existsSync)).toEqual([false, true, true, true]);
});
