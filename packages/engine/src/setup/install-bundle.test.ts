import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { fakePython, sha256, zip } from '../../test-support/fake-wheels';
import { installBundle, planInstallation, type InstallProgress } from './install';
import type { Bundle, LibraryFile, Release } from './release';

const PLUGIN = Buffer.from('a plugin');
const LIBRARY = Buffer.from('a library');
const PROGRAM = Buffer.from('#!/bin/sh\n');

const wheels: Readonly<Record<string, Buffer>> = {
  'the-plugin': zip({ 'plugins/cuda/plugin.so': PLUGIN, 'plugins/cuda/__init__.py': Buffer.from('x') }),
  'the-libraries': zip({ 'vendor/lib/library.so': LIBRARY, 'vendor/bin/assembler': PROGRAM }),
};

function release(name: string, files: Readonly<Record<string, Buffer>>, program?: string): Release {
  const listed = Object.entries(files).map(([path, content]): LibraryFile => ({
    name: path,
    entry: path,
    bytes: content.length,
    sha256: sha256(content),
    program: path === program,
  }));
  const wheel = wheels[name];
  return {
    package: name,
    version: '1.0',
    pythonVersion: '3.12',
    platforms: ['manylinux_2_27_x86_64'],
    wheelSha256: sha256(wheel),
    wheelBytes: wheel.length,
    files: listed,
  };
}

const bundle: Bundle = {
  what: 'the plugin',
  command: 'graft engine install plugin',
  instead: 'name one',
  releases: [
    release('the-plugin', { 'plugins/cuda/plugin.so': PLUGIN }),
    release(
      'the-libraries',
      { 'vendor/lib/library.so': LIBRARY, 'vendor/bin/assembler': PROGRAM },
      'vendor/bin/assembler',
    ),
  ],
};

describe('an installation of several wheels', () => {
  let home: string;
  let folder: string;
  let store: string;
  beforeEach(() => {
    home = temporaryFolder();
    folder = join(home, 'cache', 'plugin-1.0');
    store = join(home, 'wheels');
    mkdirSync(store);
    for (const [name, wheel] of Object.entries(wheels))
      writeFileSync(join(store, `${name.replace('-', '_')}-1.0-py3-none-any.whl`), wheel);
  });

  /** A pip that copies the wheel of the package that is asked for, and logs it. */
  const pip = (log: string): string =>
    fakePython(
      home,
      `name=$(echo "$last" | sed 's/==.*//; s/-/_/g'); echo $name >> ${log}; cp ${store}/$name-* "$dest"`,
    );

  test('every wheel is fetched with pip, one after the other, and its files keep their paths', async () => {
    const log = join(home, 'log');
    const seen: string[] = [];
    const onProgress = ({ stage, package: name }: InstallProgress): void => {
      if (seen.at(-1) !== `${stage} ${name}`) seen.push(`${stage} ${name}`);
    };
    await installBundle(folder, bundle, { python: pip(log), onProgress });
    expect(readFileSync(join(folder, 'plugins/cuda/plugin.so'))).toEqual(PLUGIN);
    expect(readFileSync(join(folder, 'vendor/lib/library.so'))).toEqual(LIBRARY);
    expect(existsSync(join(folder, 'plugins/cuda/__init__.py'))).toBe(false);
    expect(readFileSync(log, 'utf8')).toBe('the_plugin\nthe_libraries\n');
    expect(seen).toEqual(
      ['the-plugin', 'the-libraries'].flatMap((name) => ['download', 'verify', 'unpack'].map((at) => `${at} ${name}`)),
    );
    await installBundle(folder, bundle, { python: join(home, 'none'), verify: true });
    expect(readdirSync(join(home, 'cache'))).toEqual(['plugin-1.0']);
  });

  test('programs can be started, and everything is closed to others whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await installBundle(folder, bundle, { wheel: store });
    } finally {
      process.umask(before);
    }
    const mode = (path: string): string => (statSync(join(folder, path)).mode & 0o777).toString(8);
    expect(['vendor/bin/assembler', 'vendor/lib/library.so', 'vendor/lib', 'vendor'].map(mode)).toEqual([
      '755',
      '644',
      '755',
      '755',
    ]);
  });

  test('a truncated file in a folder below makes it install again', async () => {
    await installBundle(folder, bundle, { wheel: store });
    truncateSync(join(folder, 'vendor/lib/library.so'), 3);
    await installBundle(folder, bundle, { wheel: store });
    expect(readFileSync(join(folder, 'vendor/lib/library.so'))).toEqual(LIBRARY);
  });

  test('a wheel that cannot be fetched leaves nothing behind, and the error names the command', async () => {
    const python = fakePython(home, 'echo "ERROR: No matching distribution found for the-plugin==1.0"; exit 1');
    expect(await failureOf(installBundle(folder, bundle, { python }))).toMatchObject({
      code: 'engine.download',
      message: 'pip could not download the-plugin 1.0: No matching distribution found for the-plugin==1.0.',
      hint: 'Fetch the wheels elsewhere and name their folder with `graft engine install plugin --wheel FOLDER`.',
    });
    expect(readdirSync(join(home, 'cache'))).toEqual([]);
  });

  test('a folder in which a wheel is missing is refused', async () => {
    const empty = temporaryFolder();
    expect(await failureOf(installBundle(folder, bundle, { wheel: empty }))).toMatchObject({
      code: 'engine.wheel',
      message: `The folder ${empty} has no wheel of the-plugin 1.0.`,
      hint: 'Its name begins with the_plugin-1.0-.',
    });
  });

  test('the plan has the sizes of every wheel, and whether all is there already', async () => {
    const plan = await planInstallation(folder, bundle);
    expect(plan).toMatchObject({
      folder,
      isInstalled: false,
      downloadBytes: wheels['the-plugin'].length + wheels['the-libraries'].length,
      installedBytes: PLUGIN.length + LIBRARY.length + PROGRAM.length,
      wheels: [
        { package: 'the-plugin', version: '1.0', installedBytes: PLUGIN.length },
        { package: 'the-libraries', version: '1.0' },
      ],
    });
    expect(existsSync(join(home, 'cache'))).toBe(false);
    await installBundle(folder, bundle, { wheel: store });
    expect(await planInstallation(folder, bundle)).toMatchObject({ isInstalled: true });
  });
});
