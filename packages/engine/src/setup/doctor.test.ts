import { chmodSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../../../../test/support';
import { examine, type DoctorCheck } from './doctor';
import { unsupportedPlatformReason } from './platform';
import { CC_LIBRARY, FRAMEWORK_LIBRARY } from './release';

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

  test('has a look at everything, and asks for no more than is there', async () => {
    const { checks } = await examine(() => Promise.resolve('TensorFlow'));
    expect(checks.map(({ name }) => name)).toEqual([
      'node',
      'platform',
      'processor',
      'memory',
      'cache',
      'disk',
      'python',
      'engine',
    ]);
    expect(checks.find(({ name }) => name === 'cache')).toMatchObject({ status: 'ok' });
    expect(existsSync(process.env.GRAFT_CACHE!)).toBe(false);
  });

  test('tells no Python from one without pip, and names the one that is there', async () => {
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
    test('says what loads and where from', async () => {
      const folder = useLibrary();
      expect(await engineCheck(() => Promise.resolve('TensorFlow 9'))).toEqual({
        name: 'engine',
        status: 'ok',
        detail: `TensorFlow 9, from ${folder} (environment)`,
      });
    });

    test('reports a library that does not load as a failure, with advice', async () => {
      useLibrary();
      const report = await examine(() => Promise.reject(new Error('it is broken')));
      expect(report.checks.at(-1)).toMatchObject({
        status: 'fail',
        detail: 'it is broken',
        advice: 'Run `graft engine install --verify`.',
      });
      expect(report.healthy).toBe(false);
    });

    test('reports a wrong GRAFT_TENSORFLOW as a failure', async () => {
      process.env.GRAFT_TENSORFLOW = '/nowhere';
      expect(await engineCheck(() => Promise.resolve(''))).toMatchObject({
        status: 'fail',
        detail: 'GRAFT_TENSORFLOW names /nowhere, which does not exist.',
      });
    });
  });

  test('a cache that cannot be written is a failure', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    process.env.GRAFT_CACHE = join(file, 'cache');
    const report = await examine(() => Promise.resolve(''));
    expect(report.checks.find(({ name }) => name === 'cache')).toMatchObject({ status: 'fail' });
  });
});
