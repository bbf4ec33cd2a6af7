import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { temporaryFolder } from '../../../../test/support';
import { examine } from './doctor';
import { findNativeLibrary, unsupportedPlatformReason } from './find';
import { installNativeLibrary } from './install';
import { CC_LIBRARY, FRAMEWORK_LIBRARY, type Release } from './release';

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** CRC-32 for Node 20, whose zlib has none. */
function crc(bytes: Buffer): number {
  if (typeof crc32 === 'function') return crc32(bytes);
  let state = 0xffffffff;
  for (const byte of bytes) {
    state ^= byte;
    for (let bit = 0; bit < 8; bit++) state = state & 1 ? (state >>> 1) ^ 0xedb88320 : state >>> 1;
  }
  return (state ^ 0xffffffff) >>> 0;
}

/** A zip archive without compression. */
function zip(entries: Record<string, Buffer>): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, data] of Object.entries(entries)) {
    const title = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(title.length, 22);
    locals.push(Buffer.concat([Buffer.from('PK\x03\x04'), common, title, data]));
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), common, tail, title]));
    offset += locals[locals.length - 1].length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(centrals.length, 4);
  end.writeUInt16LE(centrals.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
}

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

/** A `python3` that answers `-m pip download … --dest DIR …` with a shell script's body, in which $dest is DIR. */
function fakePython(folder: string, body: string): string {
  const file = join(folder, 'python3');
  writeFileSync(file, `#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --dest ] && dest=$2; shift; done\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

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

  test('downloads, checks and unpacks, and does so once', async () => {
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

  test('mends a cache whose file was cut or, when asked to verify, changed', async () => {
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

  test('several at the same time all succeed', async () => {
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
      /The wheel of made-up 0\.0\.1 has the SHA-256 \w+, expected 00/,
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
      'no pip',
      release,
      'echo "python3: No module named pip" >&2; exit 1',
      /fetched with pip, which this machine's Python lacks\./,
    ],
    [
      'a disk that is too small',
      { ...release, wheelBytes: 2 ** 60 },
      'exit 1',
      /MiB free; the native library needs \d+ MiB\./,
    ],
  ])('%s is one sentence, and leaves nothing', async (_, wrong, body, message) => {
    const python = body === undefined ? undefined : fakePython(home, body);
    const given = body === undefined ? { wheel } : { python };
    await expect(installNativeLibrary({ release: wrong, folder, ...given })).rejects.toThrow(message);
    expect(existsSync(folder)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test('no Python is one sentence', async () => {
    await expect(installNativeLibrary({ release, folder, python: join(home, 'none') })).rejects.toThrow(
      /fetched with Python's pip, but ".*none" cannot be started/,
    );
  });
});

describe('findNativeLibrary', () => {
  function library(): string {
    const folder = temporaryFolder();
    for (const name of [CC_LIBRARY, FRAMEWORK_LIBRARY]) writeFileSync(join(folder, name), 'x');
    return folder;
  }
  const environment = { ...process.env };
  afterEach(() => {
    process.env = { ...environment };
  });

  test('takes the option before the environment before the cache', async () => {
    const [option, named, cache] = [library(), library(), temporaryFolder()];
    const cached = join(cache, 'tensorflow-2.21.0');
    mkdirSync(cached);
    for (const name of [CC_LIBRARY, FRAMEWORK_LIBRARY]) writeFileSync(join(cached, name), 'x');
    process.env.GRAFT_CACHE = cache;
    delete process.env.GRAFT_TENSORFLOW;
    expect(await findNativeLibrary()).toMatchObject({ folder: cached, origin: 'cache' });
    process.env.GRAFT_TENSORFLOW = named;
    expect(await findNativeLibrary()).toMatchObject({ folder: named, origin: 'environment' });
    expect(await findNativeLibrary({ libraryPath: join(option, CC_LIBRARY) })).toMatchObject({
      folder: option,
      origin: 'option',
    });
  });

  test('a named place without the libraries is an error, not a fallback', async () => {
    const empty = temporaryFolder();
    await expect(findNativeLibrary({ libraryPath: empty })).rejects.toThrow(
      /^engine\.libraryPath names .*, but libtensorflow_cc/,
    );
    process.env.GRAFT_TENSORFLOW = empty;
    await expect(findNativeLibrary()).rejects.toThrow(/^GRAFT_TENSORFLOW names/);
  });

  test('other platforms are told apart', () => {
    expect(unsupportedPlatformReason('linux', 'x64')).toBeUndefined();
    expect(unsupportedPlatformReason('darwin', 'arm64')).toBe(
      'The native library exists for Linux on x86-64; this machine is darwin on arm64.',
    );
  });
});

test('the doctor reports a library that does not load as a failure, with advice', async () => {
  const report = await examine(() => Promise.reject(new Error('it is broken')));
  const engine = report.checks.find(({ name }) => name === 'engine')!;
  if (engine.status === 'warn') expect(engine.detail).toBe('no native library');
  else expect(engine).toMatchObject({ status: 'fail', detail: 'it is broken', advice: 'Run `graft engine install`.' });
  expect(report.checks.map(({ name }) => name)).toEqual(['node', 'memory', 'processor', 'disk', 'python', 'engine']);
});
