import { mkdtempSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweep } from './compile-cache';

const DAY_SECONDS = 86_400;

test('programs that were not read for a month go, and files that were never finished', () => {
  const folder = mkdtempSync(join(tmpdir(), 'graft-'));
  const now = Date.now();
  const put = (name: string, daysAgo: number): void => {
    writeFileSync(join(folder, name), name);
    const at = now / 1000 - daysAgo * DAY_SECONDS;
    utimesSync(join(folder, name), at, at);
  };
  put('old.pb', 31);
  put('kept.pb', 29);
  put('left.pb.tmp', 1);
  put('writing.pb.tmp', 0);
  sweep(folder, now);
  expect(readdirSync(folder).sort()).toEqual(['kept.pb', 'writing.pb.tmp']);
});
