import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, temporaryFolder } from '@graft/test-support';
import { BASE, named, PLUGIN } from '../../test/config-toys';
import { definePlugin } from '../components/plugin';
import { loadReason } from './code';
import { loadConfig, loadPlugin, loadRegistry } from './index';

const write = (folder: string, files: Record<string, string>): string => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
};

const REGISTER = join(ROOT, 'packages', 'core', 'test', 'register-typescript.cjs');

const plain = (name: string): string => `{ name: '${name}', components: [] }`;

test("packages are resolved from the config's folder first, then from the working folder", async () => {
  const config = write(temporaryFolder(), { 'node_modules/p/index.js': `exports.plugin = ${plain('near')};` });
  const working = write(temporaryFolder(), {
    'node_modules/p/index.js': `exports.plugin = ${plain('far')};`,
    'node_modules/q/index.js': `module.exports = ${plain('q')};`,
  });
  expect((await loadPlugin('p', [config, working])).plugin.name).toBe('near');
  expect(await loadPlugin('q', [config, working])).toMatchObject({ plugin: { name: 'q' }, origin: 'package q' });
});

test('default exports, named exports and TypeScript files are accepted', async () => {
  const folder = write(temporaryFolder(), {
    'default.cjs': `exports.__esModule = true; exports.default = ${plain('a')};`,
    'typed.ts': `const name: string = 'b'; export const plugin = { name, components: [] };`,
    'broken.cjs': `throw new Error('what a\\npity');`,
  });
  expect((await loadPlugin('./default.cjs', [folder])).plugin.name).toBe('a');
  expect((await loadPlugin('typed.ts', [folder])).plugin.name).toBe('b');
  await expect(loadPlugin('./broken.cjs', [folder])).rejects.toThrow('Plugin "./broken.cjs" fails to load: what a (');
});

test('an error names the plugin, whatever the plugin throws while loading', async () => {
  const folder = write(temporaryFolder(), {
    'text.ts': "throw 'no luck.';",
    'null.ts': 'throw null;',
    'late.ts': "await Promise.reject('too late'); export default {};",
    'odd.cjs': `throw new (require(${JSON.stringify(require.resolve('@graft/engine'))}).PluginError)('It is odd.');`,
  });
  const fails = (file: string): Promise<unknown> => loadPlugin(file, [folder]).catch((error: Error) => error.message);
  expect(await fails('./text.ts')).toBe('Plugin "./text.ts" fails to load: no luck.');
  expect(await fails('./null.ts')).toBe('Plugin "./null.ts" fails to load: it threw null, which is not an error.');
  expect(await fails('./late.ts')).toBe('Plugin "./late.ts" fails to load: too late.');
  expect(await fails('./odd.cjs')).toMatch(/^Plugin "\.\/odd\.cjs" fails to load: It is odd \(\/.*odd\.cjs:1\)\.$/);
});

test('a syntax error is reported with its line', async () => {
  const text = 'export const a = {\n  b: 1\n  c: 2,\n};\n';
  const folder = write(temporaryFolder(), { 'odd.ts': text, 'odd.mjs': text, 'odd.js': text });
  await expect(loadPlugin('./odd.ts', [folder])).rejects.toThrow(
    `Plugin "./odd.ts" fails to load: Unexpected token, expected "," (${join(folder, 'odd.ts')}:3:3).`,
  );
  for (const name of ['odd.mjs', 'odd.js']) {
    const file = join(folder, name);
    expect(await loadReason(file, new SyntaxError("Unexpected identifier 'c'"))).toBe(
      `Unexpected identifier 'c' (${file}:3)`,
    );
  }
});

test('a missing plugin and a value that is not a plugin are errors of the config', async () => {
  const folder = write(temporaryFolder(), { 'no.cjs': 'exports.plugin = 3;' });
  for (const reference of ['./no.cjs', './gone.cjs', 'gone', 3 as never, { name: 'x' } as never]) {
    await expect(loadPlugin(reference, [folder])).rejects.toMatchObject({ exitCode: 2, name: 'PluginError' });
  }
  await expect(loadPlugin(3 as never, [folder])).rejects.toThrow(
    'plugins: 3 is neither the name of a package or file nor a plugin.',
  );
});

test('plugins of a base config are added to those of the config that extends it, each once and from its own folder', async () => {
  const own = (name: string): string =>
    `const { z } = require(${JSON.stringify(require.resolve('zod'))});
     exports.plugin = { name: '${name}', components: [{ interface: 'tracker', id: '${name}', description: '', options: z.strictObject({}), useFactory: () => ({}) }] };`;
  const folder = write(temporaryFolder(), {
    'base/base.json': JSON.stringify({ ...BASE, plugins: ['./one.cjs'], trackers: ['one'] }),
    'base/one.cjs': own('one'),
    'two.cjs': own('two'),
    'own.yaml': 'extends: base/base.json\nplugins: [./two.cjs, ./base/one.cjs]\ntrackers: [one, two]\n',
  });
  const { config, registry } = await loadConfig({ file: join(folder, 'own.yaml'), plugins: [PLUGIN] });
  expect(config.plugins).toEqual(['toys', join(folder, 'base', 'one.cjs'), join(folder, 'two.cjs')]);
  expect(registry.find('tracker', 'one').origin).toBe(join(folder, 'base', 'one.cjs'));

  const again = await loadConfig({ value: config, plugins: [PLUGIN], workingFolder: '/elsewhere' });
  expect(again.config).toEqual(config);
});

test('a config in code may contain a plugin', async () => {
  const folder = write(temporaryFolder(), {
    'own.ts': `
      import { z } from ${JSON.stringify(require.resolve('zod'))};
      const plugin = { name: 'inline', components: [{ interface: 'tracker', id: 'mine', description: '', options: z.strictObject({ n: z.number().default(2) }), useFactory: () => ({}) }] };
      export default { ...${JSON.stringify(BASE)}, plugins: [plugin], trackers: ['mine'] };`,
  });
  const { config, registry } = await loadConfig({ file: join(folder, 'own.ts'), plugins: [PLUGIN] });
  expect(config.trackers).toEqual([{ use: 'mine', n: 2 }]);
  expect(registry.find('tracker', 'mine').origin).toBe('the config itself');
});

test('two plugins of one name are reported with both origins', async () => {
  const folder = write(temporaryFolder(), { 'other.cjs': `exports.plugin = ${plain('p')};` });
  await expect(loadRegistry([definePlugin({ name: 'p', components: [] }), './other.cjs'], [folder])).rejects.toThrow(
    `Plugin "p" is registered twice: by the config itself and by ${join(folder, 'other.cjs')}.`,
  );
});

test('an id that two plugins share needs the qualified name', async () => {
  const other = definePlugin({ name: 'other', components: [named('initializer', 'zeros')] });
  const load = (value: object): Promise<unknown> =>
    loadConfig({ value, plugins: [PLUGIN, other], workingFolder: '/w' }).then(({ config }) => config.initializer);
  await expect(load(BASE)).rejects.toThrow(
    'initializer.use: initializer "zeros" could be "toys/zeros" (the config itself) or "other/zeros" (the config itself); use the longer name.',
  );
  expect(await load({ ...BASE, initializer: 'other/zeros' })).toEqual({ use: 'other/zeros' });
});

test('ES modules are loaded from files and from import-only packages', () => {
  const folder = write(temporaryFolder(), {
    'mine.mjs': `export default ${plain('file')};`,
    'node_modules/only/package.json': JSON.stringify({ type: 'module', exports: { import: './index.js' } }),
    'node_modules/only/index.js': `export const plugin = ${plain('package')};`,
  });
  symlinkSync(join(ROOT, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'));
  // A process of its own: jest cannot import ES modules.
  const script = `
    const { loadPlugin } = require(${JSON.stringify(join(__dirname, 'plugins.ts'))});
    Promise.all(['./mine.mjs', 'only'].map((name) => loadPlugin(name, [${JSON.stringify(folder)}])))
      .then((loaded) => console.log(loaded.map(({ plugin }) => plugin.name).join()));`;
  const output = execFileSync(process.execPath, ['--require', REGISTER, '-e', script], { encoding: 'utf8' });
  expect(output.trim()).toBe('file,package');
});

test("a TypeScript config and a plugin with decorators resolve Graft's packages outside any project", () => {
  const folder = write(temporaryFolder(), {
    'stairs.ts': `
      import { defineComponent, definePlugin, inject, injectable, OPTIONS, type Schedule } from '@graft/core';
      import { z } from 'zod';
      const options = z.strictObject({ factor: z.number().default(0.5) });
      @injectable()
      class Stairs implements Schedule {
        constructor(@inject(OPTIONS) private readonly options: z.output<typeof options>) {}
        factor(step: number): number { return this.options.factor ** step; }
      }
      export const plugin = definePlugin({
        name: 'stairs',
        components: [defineComponent({ interface: 'schedule', id: 'stairs', description: '', options, useClass: Stairs })],
      });`,
    'base.json': JSON.stringify(BASE),
    'own.ts': `
      import { defineExperiment } from '@graft/core';
      export default defineExperiment({ extends: 'base.json', plugins: ['./stairs.ts'], schedule: 'stairs' });`,
  });
  const script = `
    const core = require(${JSON.stringify(join(__dirname, '..', 'index.ts'))});
    const { PLUGIN } = require(${JSON.stringify(join(__dirname, '..', '..', 'test', 'config-toys.ts'))});
    core.loadConfig({ file: ${JSON.stringify(join(folder, 'own.ts'))}, plugins: [PLUGIN] }).then(async ({ config, registry }) => {
      const parts = { engine: {}, random: core.createRandom(0), logger: core.silentLogger() };
      const schedule = await core.createComponentFactory(registry, parts).create('schedule', config.schedule);
      console.log(JSON.stringify(config.schedule), schedule.factor(3));
    });`;
  const output = execFileSync(process.execPath, ['--require', REGISTER, '-e', script], { encoding: 'utf8' });
  expect(output.trim()).toBe('{"use":"stairs","factor":0.5} 0.125');
});
