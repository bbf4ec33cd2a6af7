import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { fakePython, sha256, zip } from '../../test-support/fake-wheels';
import { installNativeLibrary } from './install';
import { CC_LIBRARY, FRAMEWORK_LIBRARY, type Release } from './release';

const CC = Buffer.from('the big library');
const FRAMEWORK = Buffer.from('the small one');
const WHEEL = zip({
  [`tensorflow/${CC_LIBRARY}`]: CC,
  'tensorflow/other.txt': Buffer.from('x'),
  [`tensorflow/${FRAMEWORK_LIBRARY}`]: FRAMEWORK,
});

const release: Release = {
  version: '0.0.1',
  package: 'made-up',
  pythonVersion: '3.12',
  platforms: ['manylinux_2_27_x86_64'],
  wheelSha256: sha256(WHEEL),
  wheelBytes: WHEEL.length,
  files: [
    { name: CC_LIBRARY, entry: `tensorflow/${CC_LIBRARY}`, bytes: CC.length, sha256: sha256(CC) },
    {
      name: FRAMEWORK_LIBRARY,
      entry: `tensorflow/${FRAMEWORK_LIBRARY}`,
      bytes: FRAMEWORK.length,
      sha256: sha256(FRAMEWORK),
    },
  ],
};

describe('installNativeLibrary', () => {
  let home: string;
  let folder: string;
  let wheel: string;
  beforeEach(() => {
    home = temporaryFolder();
    folder = join(home, 'cache', 'tensorflow-0.0.1');
    wheel = join(home, 'made_up.whl');
    writeFileSync(wheel, WHEEL);
  });
  const leftovers = (): string[] => readdirSync(join(home, 'cache')).filter((name) => name !== 'tensorflow-0.0.1');

  test('the installer downloads, checks and unpacks the library once', async () => {
    const log = join(home, 'log');
    const python = fakePython(home, `echo called >> ${log}; cp ${wheel} "$dest/made_up.whl"`);
    const stages = new Set<string>();
    const library = await installNativeLibrary({
      release,
      folder,
      python,
      onProgress: ({ stage }) => stages.add(stage),
    });
    expect(library).toMatchObject({ folder, origin: 'cache' });
    expect(readFileSync(library.cc)).toEqual(CC);
    expect(readFileSync(library.framework)).toEqual(FRAMEWORK);
    expect([...stages]).toEqual(['download', 'verify', 'unpack']);
    await installNativeLibrary({ release, folder, python, verify: true });
    expect(readFileSync(log, 'utf8')).toBe('called\n');
    expect(leftovers()).toEqual([]);
  });

  test('the installer repairs truncated files, and changed files when it verifies', async () => {
    await installNativeLibrary({ release, folder, wheel });
    writeFileSync(join(folder, CC_LIBRARY), 'the b');
    await installNativeLibrary({ release, folder, wheel });
    expect(readFileSync(join(folder, CC_LIBRARY))).toEqual(CC);
    writeFileSync(join(folder, CC_LIBRARY), 'the bad library');
    await installNativeLibrary({ release, folder, wheel });
    expect(readFileSync(join(folder, CC_LIBRARY), 'utf8')).toBe('the bad library');
    await installNativeLibrary({ release, folder, wheel, verify: true });
    expect(readFileSync(join(folder, CC_LIBRARY))).toEqual(CC);
  });

  test('installed files are closed to others whatever the umask, and closed again where they were open', async () => {
    const before = process.umask(0);
    try {
      await installNativeLibrary({ release, folder, wheel });
    } finally {
      process.umask(before);
    }
    const modes = (): string[] =>
      [join(home, 'cache'), folder, join(folder, CC_LIBRARY)].map((path) => (statSync(path).mode & 0o777).toString(8));
    expect(modes()).toEqual(['700', '755', '644']);
    chmodSync(folder, 0o777);
    chmodSync(join(folder, CC_LIBRARY), 0o666);
    // Without the wheel: what has the right hash is not fetched again.
    await installNativeLibrary({ release, folder, python: join(home, 'none') });
    expect(modes()).toEqual(['700', '755', '644']);
    chmodSync(join(folder, CC_LIBRARY), 0o666);
    writeFileSync(join(folder, CC_LIBRARY), 'the bad library');
    await installNativeLibrary({ release, folder, wheel });
    expect(readFileSync(join(folder, CC_LIBRARY))).toEqual(CC);
  });

  test('a cache that others can write to is rejected', async () => {
    mkdirSync(join(home, 'cache'));
    chmodSync(join(home, 'cache'), 0o777);
    await expect(installNativeLibrary({ release, folder, wheel })).rejects.toMatchObject({
      code: 'engine.untrusted',
      message: `The cache folder ${join(home, 'cache')} is not yours alone (every user can write to it (mode 0777)).`,
    });
  });

  test('concurrent installations all succeed', async () => {
    const libraries = await Promise.all(
      Array.from({ length: 4 }, () => installNativeLibrary({ release, folder, wheel })),
    );
    for (const library of libraries) expect(readFileSync(library.cc)).toEqual(CC);
    expect(leftovers()).toEqual([]);
  });

  test.each([
    [
      'a wheel with another hash',
      { ...release, wheelSha256: '00' },
      undefined,
      /^The wheel .*made_up\.whl has the SHA-256 \w+, expected 00/,
    ],
    [
      'a library with another hash',
      { ...release, files: [{ ...release.files[0], sha256: '00' }] },
      undefined,
      /tensorflow_cc\.so\.2 has the SHA-256/,
    ],
    [
      'a wheel without the library',
      { ...release, files: [{ ...release.files[0], entry: 'nowhere.so' }] },
      undefined,
      /does not hold nowhere\.so\./,
    ],
    [
      'no network',
      release,
      'echo "ERROR: No matching distribution found for made-up==0.0.1"; exit 1',
      /pip could not download made-up 0\.0\.1: No matching distribution/,
    ],
    [
      'a package index that cannot be reached',
      release,
      'echo "WARNING: Retrying (Retry(total=0)) after connection broken by NewConnectionError(...)"; echo "ERROR: No matching distribution found for made-up==0.0.1"; exit 1',
      /^made-up 0\.0\.1 could not be downloaded, because pip cannot reach its package index\.$/,
    ],
    [
      'a disk that fills during the download',
      release,
      'echo "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"; exit 1',
      /^The disk that holds .* is full\.$/,
    ],
    ['a download that ends without a wheel', release, 'exit 0', /^pip could not download .*: it gave no reason\.$/],
    [
      'no pip',
      release,
      'echo "python3: No module named pip" >&2; exit 1',
      /fetched with pip, which this machine's Python lacks\./,
    ],
    [
      'a disk that is too small',
      { ...release, wheelBytes: 2 ** 60 },
      'exit 1',
      /MiB free; installing the native library needs \d+ MiB\./,
    ],
  ])('the installation fails in one sentence and leaves nothing: %s', async (_, wrong, body, message) => {
    const python = body === undefined ? undefined : fakePython(home, body);
    const given = body === undefined ? { wheel } : { python };
    await expect(installNativeLibrary({ release: wrong, folder, ...given })).rejects.toThrow(message);
    expect(existsSync(folder)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test('a download that was tampered with is rejected', async () => {
    const python = fakePython(home, 'echo nonsense > "$dest/made_up.whl"');
    await expect(installNativeLibrary({ release, folder, python })).rejects.toMatchObject({
      code: 'engine.hash',
      message: expect.stringMatching(/^The downloaded wheel of made-up 0\.0\.1 has the SHA-256/),
    });
    expect(leftovers()).toEqual([]);
  });

  test('pip downloads the specified wheel and keeps its temporary files next to the cache', async () => {
    const log = join(home, 'arguments');
    const file = join(home, 'python3');
    writeFileSync(file, `#!/bin/sh\necho "$@" "TMPDIR=$TMPDIR" > ${log}\nexit 1\n`);
    chmodSync(file, 0o755);
    await expect(installNativeLibrary({ release, folder, python: file })).rejects.toThrow();
    const calls = readFileSync(log, 'utf8');
    expect(calls).toMatch(/^-m pip download --no-deps --only-binary=:all: /);
    expect(calls).toContain('--python-version 3.12 --implementation cp --platform manylinux_2_27_x86_64 ');
    expect(calls).toContain('made-up==0.0.1');
    expect(calls).toContain(`TMPDIR=${join(home, 'cache')}/.install-`);
  });

  test('a missing wheel and an unusable cache are one sentence each', async () => {
    await expect(installNativeLibrary({ release, folder, wheel: join(home, 'none.whl') })).rejects.toMatchObject({
      code: 'engine.wheel',
      message: `The wheel ${join(home, 'none.whl')} does not exist.`,
    });
    await expect(installNativeLibrary({ release, folder: join(wheel, 'cache', 'x'), wheel })).rejects.toMatchObject({
      code: 'engine.cache',
      message: expect.stringMatching(/^The cache folder .* cannot be written \(/),
    });
  });

  test('the installer removes leftovers of dead installers only', async () => {
    const dead = spawnSync('true').pid;
    const cache = join(home, 'cache');
    const kept = `.install-${hostname()}-${process.ppid}-00000000`;
    const elsewhere = '.install-another-machine-1-00000000';
    for (const name of [`.install-${hostname()}-${dead}-00000000`, kept, elsewhere])
      mkdirSync(join(cache, name), { recursive: true });
    await installNativeLibrary({ release, folder, wheel });
    expect(leftovers().sort()).toEqual([elsewhere, kept].sort());
  });

  test('a missing Python is reported in one sentence', async () => {
    await expect(installNativeLibrary({ release, folder, python: join(home, 'none') })).rejects.toThrow(
      /fetched with Python's pip, but ".*none" cannot be started/,
    );
  });
});
