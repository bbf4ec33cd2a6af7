import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { BASE, PLUGIN } from '../../test/config-toys';
import type { NamedCode } from './code';
import { loadConfig, loadPlugin } from './index';
import { checkFoundConfig, checkFoundPackage } from './trust';

const IS_ROOT = process.getuid!() === 0;
const OTHER_USER = 54_321;
/** For those who cannot give files away: the roles are turned round. */
const [OWNER, USER] = IS_ROOT ? [OTHER_USER, 0] : [process.getuid!(), OTHER_USER];
const OPTIONS = IS_ROOT ? {} : { user: OTHER_USER };
const give = (path: string): void => void (IS_ROOT && chownSync(path, OTHER_USER, OTHER_USER));

const write = (folder: string, files: Record<string, string>): string => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
};

/** Leaves a trace where it runs. */
const TRAP = `globalThis.trapped = true; exports.plugin = { name: 'p', components: [] };`;
beforeEach(() => delete (globalThis as { trapped?: true }).trapped);
afterEach(() => expect(globalThis).not.toHaveProperty('trapped'));

describe('a config that is found by search', () => {
  it('a config of another user is rejected when found and accepted when named', async () => {
    const folder = write(temporaryFolder(), { 'graft.config.json': JSON.stringify(BASE), 'deep/note': '' });
    const file = join(folder, 'graft.config.json');
    expect(() => checkFoundConfig(file)).not.toThrow();
    give(file);
    expect(() => checkFoundConfig(file, OPTIONS)).toThrow(
      `No config was named, and ${file} is not taken: it belongs to user ${OWNER}, and you are user ${USER}.`,
    );
    if (!IS_ROOT) return;
    await expect(loadConfig({ workingFolder: join(folder, 'deep'), plugins: [PLUGIN] })).rejects.toMatchObject({
      code: 'config.untrusted',
      exitCode: 2,
      hint: `Configs can run code. If you trust this one, name it: \`graft run ${file}\`.`,
    });
    const named = await loadConfig({ file, workingFolder: folder, plugins: [PLUGIN] });
    expect(named.config.name).toBe(BASE.name);
  });

  it.each<[string, (folder: string, file: string) => void, RegExp]>([
    ['every user can write to it', (_, file) => chmodSync(file, 0o666), /every user can write to it \(mode 0666\)/],
    ['every user can exchange it', (folder) => chmodSync(folder, 0o777), /every user can write to it \(mode 0777\)/],
  ])('a config is rejected where %s', (_, open, reason) => {
    const folder = write(temporaryFolder(), { 'graft.config.ts': TRAP });
    const file = join(folder, 'graft.config.ts');
    open(folder, file);
    expect(() => checkFoundConfig(file)).toThrow(reason);
  });

  it("the user's own config is accepted in a sticky folder such as /tmp and in a group's shared folder", () => {
    const folder = write(temporaryFolder(), { 'graft.config.ts': '' });
    chmodSync(folder, 0o1777);
    expect(() => checkFoundConfig(join(folder, 'graft.config.ts'))).not.toThrow();
    chmodSync(join(folder, 'graft.config.ts'), 0o664);
    chmodSync(folder, 0o2775);
    if (IS_ROOT) chownSync(folder, 0, OTHER_USER);
    expect(() => checkFoundConfig(join(folder, 'graft.config.ts'))).not.toThrow();
  });
});

describe('a package that is found by search', () => {
  const withPackage = (name = 'p'): string =>
    write(temporaryFolder(), {
      [`node_modules/${name}/index.js`]: TRAP,
      [`node_modules/${name}/package.json`]: `{ "name": "${name}", "version": "1.2.3" }`,
      'deep/er/config.json': '{}',
    });

  it('a package that another user put into a parent folder is not loaded', async () => {
    const folder = withPackage();
    const file = join(folder, 'node_modules', 'p', 'index.js');
    if (!IS_ROOT) {
      expect(() => checkFoundPackage('p', file, folder, {})).not.toThrow();
      return;
    }
    for (const path of ['node_modules', 'node_modules/p', 'node_modules/p/index.js']) {
      chownSync(join(folder, path), OTHER_USER, OTHER_USER);
      await expect(loadPlugin('p', [join(folder, 'deep', 'er')])).rejects.toMatchObject({
        code: 'plugin.untrusted',
        exitCode: 2,
        message: `Plugin "p" is not loaded: ${file} is not yours alone (${join(folder, path)}: it belongs to user ${OTHER_USER}, and you are user 0).`,
      });
      chownSync(join(folder, path), 0, 0);
    }
  });

  it('a package next to Graft is loaded with any mode, unless another user owns it', () => {
    const folder = withPackage();
    const file = join(folder, 'node_modules', 'p', 'index.js');
    chmodSync(join(folder, 'node_modules'), 0o777);
    expect(() => checkFoundPackage('p', file, folder, {})).toThrow('every user can write to it (mode 0777)');
    expect(() => checkFoundPackage('p', file, folder, { anyMode: true })).not.toThrow();
    give(join(folder, 'node_modules'));
    expect(() => checkFoundPackage('p', file, folder, { ...OPTIONS, anyMode: true })).toThrow(`user ${OWNER}`);
    expect(() => checkFoundPackage('p', file, folder, { ...OPTIONS, anyMode: true, owners: [OWNER] })).not.toThrow();
  });

  it("a package is not loaded through a symbolic link in another user's folder", async () => {
    if (!IS_ROOT) return;
    const linked = temporaryFolder();
    mkdirSync(join(linked, 'node_modules'));
    symlinkSync(join(withPackage('q'), 'node_modules', 'q'), join(linked, 'node_modules', 'q'));
    chownSync(join(linked, 'node_modules'), OTHER_USER, OTHER_USER);
    await expect(loadPlugin('q', [linked])).rejects.toMatchObject({ code: 'plugin.untrusted' });
  });
});

it('the owner of a named config is trusted with the packages next to it', async () => {
  if (!IS_ROOT) return;
  const folder = write(temporaryFolder(), {
    'node_modules/p/index.js': `exports.plugin = { name: 'p', components: [] };`,
    'config.json': JSON.stringify({ ...BASE, plugins: ['p'] }),
  });
  for (const path of ['', 'node_modules', 'node_modules/p', 'node_modules/p/index.js', 'config.json'])
    chownSync(join(folder, path), OTHER_USER, OTHER_USER);
  const { config } = await loadConfig({ file: join(folder, 'config.json'), plugins: [PLUGIN] });
  expect(config.plugins).toContain('p');
});

it('code is reported before it runs: configs, their bases and imports, and plugins with versions', async () => {
  const folder = write(temporaryFolder(), {
    'base.mjs': `export default ${JSON.stringify(BASE)};`,
    'seed.ts': 'export const seed: number = 3;',
    'config.ts': `import { seed } from './seed';\nexport default { extends: './base.mjs', seed, plugins: ['p', './own.cjs', './typed.ts'] };`,
    'own.cjs': `exports.plugin = { name: 'own', components: [] };`,
    'typed.ts': `export const plugin: object = { name: 'typed', components: [] };`,
    'node_modules/p/index.js': `exports.plugin = { name: 'p', components: [] };`,
    'node_modules/p/package.json': '{ "name": "p", "version": "1.2.3" }',
  });
  const seen: NamedCode[] = [];
  const loaded = await loadConfig({
    file: join(folder, 'config.ts'),
    plugins: [PLUGIN],
    onCode: (code) => seen.push(code),
  });
  expect(loaded.config.seed).toBe(3);
  const lines = seen.map(({ path, package: of }) => [path.replace(`${folder}/`, ''), of].filter(Boolean).join(' '));
  expect([...new Set(lines)]).toEqual([
    'config.ts',
    'seed.ts',
    'base.mjs',
    'node_modules/p/index.js p 1.2.3',
    'own.cjs',
    'typed.ts',
  ]);
});
