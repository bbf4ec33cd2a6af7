import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '@graft/test-support';
import { checkHashes } from './check-trust';
import { examine } from './doctor';
import type { DoctorCheck } from './doctor-check';
import { unsupportedPlatformReason } from './platform';
import { CC_LIBRARY, FRAMEWORK_LIBRARY, RELEASE } from './release';

describe('the doctor', () => {
  const environment = { ...process.env };
  let bin: string;
  beforeEach(() => {
    bin = temporaryFolder();
    process.env.PATH = bin;
    process.env.GRAFT_CACHE = join(temporaryFolder(), 'not', 'there');
    delete process.env.GRAFT_TENSORFLOW;
  });
  afterEach(() => {
    process.env = { ...environment };
  });
  const engineCheck = async (load: () => Promise<string>): Promise<DoctorCheck> =>
    (await examine(load)).checks.find(({ name }) => name === 'engine')!;

  function useLibrary(): string {
    const folder = temporaryFolder();
    for (const name of [CC_LIBRARY, FRAMEWORK_LIBRARY]) writeFileSync(join(folder, name), 'x');
    process.env.GRAFT_TENSORFLOW = folder;
    return folder;
  }
  const supported = unsupportedPlatformReason() === undefined;

  test('the doctor checks everything and creates nothing', async () => {
    const { checks } = await examine(() => Promise.resolve('TensorFlow'));
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'platform',
      'processor',
      'memory',
      'cache',
      'disk',
      'python',
      'owners',
      'engine',
    ]);
    expect(checks.find(({ name }) => name === 'cache')).toMatchObject({ status: 'ok' });
    expect(existsSync(process.env.GRAFT_CACHE!)).toBe(false);
  });

  test('a missing Python, a Python without pip and a working one are distinguished', async () => {
    const python = async (): Promise<DoctorCheck> =>
      (await examine(() => Promise.resolve(''))).checks.find(({ name }) => name === 'python')!;
    expect(await python()).toMatchObject({ status: 'warn', detail: 'python3 is not there' });
    symlinkSync('/bin/sh', join(bin, 'sh'));
    writeFileSync(join(bin, 'python3'), '#!/bin/sh\nexit 1\n');
    chmodSync(join(bin, 'python3'), 0o755);
    expect(await python()).toMatchObject({ status: 'warn', detail: 'python3 has no pip that works' });
    writeFileSync(join(bin, 'python3'), '#!/bin/sh\necho "pip 23.0 from /usr/lib/pip (python 3.11)"\n');
    expect(await python()).toEqual({ name: 'python', status: 'ok', detail: 'Python 3.11, pip 23.0' });
  });

  describeIf(supported, unsupportedPlatformReason() ?? '', 'where the library can run', () => {
    test('the doctor reports the version and location of the library', async () => {
      const folder = useLibrary();
      expect(await engineCheck(() => Promise.resolve('TensorFlow 9'))).toEqual({
        name: 'engine',
        status: 'ok',
        detail: `TensorFlow 9, from ${folder} (environment)`,
      });
    });

    test('a library that does not load is a failure with advice', async () => {
      useLibrary();
      const report = await examine(() => Promise.reject(new Error('it is broken')));
      expect(report.checks.at(-1)).toMatchObject({
        status: 'fail',
        detail: 'it is broken',
        advice: 'Run `graft engine install --verify`.',
      });
      expect(report.healthy).toBe(false);
    });

    test('a wrong GRAFT_TENSORFLOW is a failure', async () => {
      process.env.GRAFT_TENSORFLOW = '/nowhere';
      expect(await engineCheck(() => Promise.resolve(''))).toMatchObject({
        status: 'fail',
        detail: 'GRAFT_TENSORFLOW names /nowhere, which does not exist.',
      });
    });
  });

  test('a cache that others could have written to is a failure with advice', async () => {
    const cache = temporaryFolder();
    process.env.GRAFT_CACHE = cache;
    mkdirSync(join(cache, 'compiled', 'x'), { recursive: true });
    const owners = async (): Promise<DoctorCheck> =>
      (await examine(() => Promise.resolve(''))).checks.find(({ name }) => name === 'owners')!;
    expect(await owners()).toMatchObject({ status: 'ok' });
    chmodSync(join(cache, 'compiled'), 0o777);
    expect(await owners()).toEqual({
      name: 'owners',
      status: 'fail',
      detail: `${join(cache, 'compiled')}: every user can write to it (mode 0777)`,
      advice: `Others could make you run their code. Run \`chmod go-w '${join(cache, 'compiled')}'\`, then \`graft engine install --verify\`.`,
    });
    chmodSync(join(cache, 'compiled'), 0o755);
    if (process.getuid!() !== 0) return;
    chownSync(join(cache, 'compiled', 'x'), 54_321, 54_321);
    expect(await owners()).toMatchObject({ status: 'fail', detail: expect.stringContaining('user 54321') as string });
  });

  test('hashes are compared on request, and a library with a wrong hash is a failure', async () => {
    const folder = temporaryFolder();
    const library = { folder, cc: join(folder, CC_LIBRARY), framework: join(folder, FRAMEWORK_LIBRARY) };
    writeFileSync(library.cc, 'the library');
    writeFileSync(library.framework, 'the library');
    const sha256 = createHash('sha256').update('the library').digest('hex');
    const files = RELEASE.files.map((file) => ({ ...file, sha256 }));
    const check = (found: object): Promise<DoctorCheck> =>
      checkHashes({ ...library, origin: 'cache' }, { ...RELEASE, files, ...found });
    expect(await check({})).toMatchObject({ status: 'ok' });
    writeFileSync(library.framework, 'the lubrary');
    expect(await check({})).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(/framework\.so\.2 has the SHA-256 \w+, expected \w+: it is damaged/) as string,
    });
    expect(await checkHashes({ ...library, origin: 'environment' })).toMatchObject({ status: 'warn' });
    useLibrary();
    const { checks } = await examine(() => Promise.resolve('TensorFlow'), { verify: true });
    expect(checks.find(({ name }) => name === 'hashes')?.status).toBe(supported ? 'warn' : undefined);
  });

  test('the files of installed plugins are checked as those of the library are', async () => {
    const cache = temporaryFolder();
    process.env.GRAFT_CACHE = cache;
    const folder = join(cache, 'plugin-1');
    mkdirSync(folder);
    writeFileSync(join(folder, 'plugin.so'), 'the plugin');
    const sha256 = createHash('sha256').update('the plugin').digest('hex');
    const files = [{ name: 'plugin.so', entry: 'plugin.so', bytes: 10, sha256 }];
    const what = 'the plugin for tests';
    const bundle = { what, command: 'graft engine install x', instead: '', releases: [{ ...RELEASE, files }] };
    const checksOf = async (name: string): Promise<DoctorCheck[]> =>
      (await examine(() => Promise.resolve(''), { verify: true }, [{ bundle, folder }])).checks.filter(
        (check) => check.name === name,
      );
    expect(await checksOf('hashes')).toContainEqual({
      name: 'hashes',
      status: 'ok',
      detail: '1 file of the plugin for tests is as released',
    });
    writeFileSync(join(folder, 'plugin.so'), 'the plagin');
    expect(await checksOf('hashes')).toContainEqual(
      expect.objectContaining({
        status: 'fail',
        advice: 'Run `graft engine install x --verify`, which fetches it again.',
      }),
    );
    chmodSync(join(folder, 'plugin.so'), 0o666);
    expect(await checksOf('owners')).toMatchObject([
      { status: 'fail', advice: expect.stringContaining('`graft engine install x --verify`') as string },
    ]);
  });

  test('a cache that cannot be written is a failure', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    process.env.GRAFT_CACHE = join(file, 'cache');
    const report = await examine(() => Promise.resolve(''));
    expect(report.checks.find(({ name }) => name === 'cache')).toMatchObject({ status: 'fail' });
  });
});
