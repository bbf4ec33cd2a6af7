import { existsSync, fstatSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { folderProvider, memoryProviders, sweep } from './memory-providers';

const parent = temporaryFolder();

test('the first place on Linux is unnamed memory that other users cannot open', () => {
  const [first] = memoryProviders();
  if (process.platform !== 'linux') return;
  expect(first.name).toBe('memory');
  const { path, descriptor, remove } = first.create(1 << 20);
  const { size, mode, blocks } = statSync(path);
  expect([size, mode & 0o777, blocks * 512]).toEqual([1 << 20, 0o600, 1 << 20]);
  remove();
  expect(() => fstatSync(descriptor)).toThrow('EBADF');
});

test('a file in a folder is private to its owner, fully allocated, and removed afterwards', () => {
  const { path, remove } = folderProvider(parent).create(1 << 20);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(1 << 20);
  remove();
  expect(readdirSync(parent)).toEqual([]);
});

test('a folder without enough free space is rejected before anything is written', () => {
  expect(() => folderProvider(parent).create(2 ** 50)).toThrow(/^\d+ bytes are free, and 1125899906842624 are needed$/);
  expect(readdirSync(parent)).toEqual([]);
});

test('sweeping removes only old leftovers of dead processes', () => {
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
