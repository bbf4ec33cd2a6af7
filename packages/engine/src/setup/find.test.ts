import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { cacheFolder } from './cache-folder';
import { findNativeLibrary } from './find';
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

  test('the option takes precedence over the environment, and the environment over the cache', async () => {
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

  test('a library that others could have written is not loaded, and the error gives the reason', async () => {
    const cached = join(cacheFolder(), 'tensorflow-2.21.0');
    mkdirSync(cached, { mode: 0o755 });
    for (const { name, bytes } of RELEASE.files) {
      writeFileSync(join(cached, name), '', { mode: 0o644 });
      truncateSync(join(cached, name), bytes);
    }
    const refusal = async (): Promise<unknown> => findNativeLibrary().catch((error: unknown) => error);
    chmodSync(cached, 0o777);
    expect(await refusal()).toMatchObject({
      code: 'engine.untrusted',
      message: `The native library is not loaded: ${cached} is not yours alone (every user can write to it (mode 0777)).`,
      hint: `If you trust what it holds, run \`chmod go-w '${cached}'\` and \`graft engine install --verify\`.`,
    });
    chmodSync(cached, 0o755);
    expect(await refusal()).toMatchObject({ folder: cached });
    if (process.getuid!() === 0) {
      chownSync(join(cached, CC_LIBRARY), 54_321, 54_321);
      expect(await refusal()).toMatchObject({
        message: expect.stringContaining(`${CC_LIBRARY} is not yours alone (it belongs to user 54321`) as string,
      });
    }
    const elsewhere = temporaryFolder();
    rmSync(join(cached, CC_LIBRARY));
    writeFileSync(join(elsewhere, 'planted'), '');
    truncateSync(join(elsewhere, 'planted'), RELEASE.files[0].bytes);
    symlinkSync(join(elsewhere, 'planted'), join(cached, CC_LIBRARY));
    expect(await refusal()).toMatchObject({
      message: expect.stringContaining('it is a symbolic link, which may lead anywhere') as string,
    });

    rmSync(cached, { recursive: true });
    const site = library();
    chmodSync(join(site, FRAMEWORK_LIBRARY), 0o666);
    const bin = temporaryFolder();
    process.env.PATH = `${bin}:${process.env.PATH}`;
    writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho ${site}\n`, { mode: 0o755 });
    expect(await refusal()).toMatchObject({ code: 'engine.untrusted' });
    // Who names it trusts it.
    expect(await findNativeLibrary({ libraryPath: site })).toMatchObject({ folder: site });
  });

  test('an installed Python package is used when nothing else is found or the cache is damaged', async () => {
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

  test("a library with the C package's file name is found", async () => {
    const folder = library(C_LIBRARY);
    expect(await findNativeLibrary({ libraryPath: folder })).toMatchObject({ cc: join(folder, C_LIBRARY) });
  });

  test('an explicit path without the libraries is an error, not a fallback', async () => {
    const empty = temporaryFolder();
    await expect(findNativeLibrary({ libraryPath: empty })).rejects.toThrow(
      /^engine\.libraryPath names .*, but libtensorflow_cc/,
    );
    process.env.GRAFT_TENSORFLOW = empty;
    await expect(findNativeLibrary()).rejects.toThrow(/^GRAFT_TENSORFLOW names/);
    rmSync(empty, { recursive: true });
    await expect(findNativeLibrary()).rejects.toThrow(`GRAFT_TENSORFLOW names ${empty}, which does not exist.`);
  });

  test('the environment determines the cache folder', () => {
    expect(cacheFolder()).toBe(process.env.GRAFT_CACHE);
    process.env.GRAFT_CACHE = '';
    process.env.XDG_CACHE_HOME = '/somewhere';
    expect(cacheFolder()).toBe('/somewhere/graft');
    process.env.XDG_CACHE_HOME = 'relative';
    expect(cacheFolder()).toBe(join(homedir(), '.cache', 'graft'));
  });
});
