import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { sweep, useCompileCache } from './compile-cache';

const DAY_SECONDS = 86_400;

test('sweeping removes programs unused for a month and stale unfinished files', () => {
  const folder = temporaryFolder();
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

describe('compiled programs that others could have written', () => {
  const environment = { ...process.env };
  beforeEach(() => {
    process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
    delete process.env.TF_XLA_FLAGS;
  });
  afterEach(() => {
    process.env = { ...environment };
    jest.restoreAllMocks();
  });

  test('the cache folder is private, and programs written while it was open are removed', () => {
    const own = useCompileCache({ folder: '/library' })!;
    expect(statSync(own).mode & 0o777).toBe(0o700);
    writeFileSync(join(own, 'mine.pb'), '');
    expect(useCompileCache({ folder: '/library' })).toBe(own);
    expect(readdirSync(own)).toEqual(['mine.pb']);
    chmodSync(own, 0o777);
    expect(useCompileCache({ folder: '/library' })).toBe(own);
    expect(readdirSync(own)).toEqual([]);
    expect(statSync(own).mode & 0o777).toBe(0o700);
  });

  test('symbolic links and files of other users are removed before the library sees them', () => {
    const own = useCompileCache({ folder: '/library' })!;
    symlinkSync('/etc/passwd', join(own, 'link.pb'));
    if (process.getuid!() === 0) {
      writeFileSync(join(own, 'planted.pb'), '');
      chownSync(join(own, 'planted.pb'), 54_321, 54_321);
    }
    useCompileCache({ folder: '/library' });
    expect(readdirSync(own)).toEqual([]);
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  test('a cache that others can write to is not used, with a warning', () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const cache = process.env.GRAFT_CACHE!;
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    expect(useCompileCache({ folder: '/library' })).toBeUndefined();
    expect(process.env.TF_XLA_FLAGS).toBeUndefined();
    expect(warn).toHaveBeenCalledWith(
      `Compiled programs are not kept: ${cache} is not yours alone (every user can write to it (mode 0777)).`,
      expect.anything(),
    );
    rmSync(cache, { recursive: true });
    mkdirSync(cache);
    symlinkSync(temporaryFolder(), join(cache, 'compiled'));
    expect(useCompileCache({ folder: '/library' })).toBeUndefined();
  });
});
