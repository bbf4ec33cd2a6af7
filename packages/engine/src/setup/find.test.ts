import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '../../../../test/support';
import { cacheFolder, findNativeLibrary } from './find';
import { C_LIBRARY, CC_LIBRARY, FRAMEWORK_LIBRARY, RELEASE } from './release';

describe('findNativeLibrary', () => {
  function library(name = CC_LIBRARY): string {
    const folder = temporaryFolder();
    for (const file of [name, FRAMEWORK_LIBRARY]) writeFileSync(join(folder, file), 'x');
    return folder;
  }
  const environment = { ...process.env };
  beforeEach(() => {
    process.env.GRAFT_CACHE = temporaryFolder();
    delete process.env.GRAFT_TENSORFLOW;
  });
  afterEach(() => {
    process.env = { ...environment };
  });

  test('takes the option before the environment before the cache', async () => {
    const [option, named] = [library(), library()];
    const cached = join(cacheFolder(), 'tensorflow-2.21.0');
    mkdirSync(cached);
    for (const { name, bytes } of RELEASE.files) {
      writeFileSync(join(cached, name), '');
      truncateSync(join(cached, name), bytes);
    }
    expect(await findNativeLibrary()).toMatchObject({ folder: cached, origin: 'cache' });
    process.env.GRAFT_TENSORFLOW = named;
    expect(await findNativeLibrary()).toMatchObject({ folder: named, origin: 'environment' });
    expect(await findNativeLibrary({ libraryPath: join(option, CC_LIBRARY) })).toMatchObject({
      folder: option,
      origin: 'option',
    });
  });

  test('takes an installed Python package when there is nothing else, and a damaged cache is nothing', async () => {
    const cached = join(cacheFolder(), 'tensorflow-2.21.0');
    mkdirSync(cached);
    for (const { name } of RELEASE.files) writeFileSync(join(cached, name), 'cut');
    const site = library();
    const bin = temporaryFolder();
    process.env.PATH = bin;
    expect(await findNativeLibrary()).toBeUndefined();
    writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho ${site}\n`);
    chmodSync(join(bin, 'python3'), 0o755);
    symlinkSync('/bin/sh', join(bin, 'sh'));
    expect(await findNativeLibrary()).toMatchObject({ folder: site, origin: 'python' });
    writeFileSync(join(bin, 'python3'), '#!/bin/sh\necho\n');
    expect(await findNativeLibrary()).toBeUndefined();
  });

  test('knows the name that the C package gives the library', async () => {
    const folder = library(C_LIBRARY);
    expect(await findNativeLibrary({ libraryPath: folder })).toMatchObject({ cc: join(folder, C_LIBRARY) });
  });

  test('a named place without the libraries is an error, not a fallback', async () => {
    const empty = temporaryFolder();
    await expect(findNativeLibrary({ libraryPath: empty })).rejects.toThrow(
      /^engine\.libraryPath names .*, but libtensorflow_cc/,
    );
    process.env.GRAFT_TENSORFLOW = empty;
    await expect(findNativeLibrary()).rejects.toThrow(/^GRAFT_TENSORFLOW names/);
    rmSync(empty, { recursive: true });
    await expect(findNativeLibrary()).rejects.toThrow(`GRAFT_TENSORFLOW names ${empty}, which does not exist.`);
  });

  test('the cache is where the environment says', () => {
    expect(cacheFolder()).toBe(process.env.GRAFT_CACHE);
    process.env.GRAFT_CACHE = '';
    process.env.XDG_CACHE_HOME = '/somewhere';
    expect(cacheFolder()).toBe('/somewhere/graft');
    process.env.XDG_CACHE_HOME = 'relative';
    expect(cacheFolder()).toBe(join(homedir(), '.cache', 'graft'));
  });
});
