import { findNativeLibrary } from '@graft/engine';
import { execFile } from 'node:child_process';
import { cpSync, readdirSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, temporaryFolder } from '../../support';
import { installTarballs } from '../../packages/outside';
import { nodeTool, npmPack, type Packed } from '../../packages/tarballs';
import { readJson, readMetrics, write } from '../support/graft';

const NAME = 'graft-plugin-denoising';
const run = promisify(execFile);
const npm = async (args: readonly string[], cwd: string): Promise<string> =>
  (await run('npm', args, { cwd, shell: process.platform === 'win32', maxBuffer: 1 << 26 })).stdout;

/**
 * Real here: every Graft package is packed by npm and unpacked from its own tarball, so that sources, workspaces and path
 * mappings of this repository are out of reach; the plugin is built against those, packed, and installed by `npm install`
 * into an empty project. Not real: packages of others are links into this repository's node_modules, as npm has no network,
 * and so Graft's own are unpacked by tar into a folder above the project, where Node finds them as it would in the project.
 */
const home = temporaryFolder();
const modules = join(home, 'node_modules');
const pluginFolder = join(home, NAME);
const project = join(home, 'project');

const tsc = (args: readonly string[], cwd: string): Promise<void> => nodeTool('typescript/bin/tsc', args, cwd);

const graft = async (args: readonly string[]): Promise<string> =>
  (await run(process.execPath, [join(modules, '@graft', 'cli', 'bin', 'graft.js'), ...args], { cwd: project })).stdout;

describe('a plugin from outside of the repository', () => {
  let packed: Packed;

  beforeAll(async () => {
    await installTarballs(home);
    cpSync(join(ROOT, 'examples', 'third-party-plugin'), pluginFolder, {
      recursive: true,
      filter: (path) => !path.includes(`${sep}dist`) && !path.includes(`${sep}node_modules`),
    });
    await tsc([], pluginFolder);
    // Scripts may be off in the user's npm, and `prepack` would want a tsc of the plugin's own: it was built above.
    [packed] = await npmPack(['--ignore-scripts'], pluginFolder);
    write(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true }));
    const flags = ['--offline', '--no-audit', '--no-fund', '--legacy-peer-deps'];
    await npm(['install', ...flags, join(pluginFolder, packed.filename)], project);
  });

  it('its tarball contains what a user needs, and neither sources nor tests', () => {
    const built = ['index', 'repetition', 'rows', 'token-masking'];
    expect(packed.files.map(({ path }) => path).sort()).toEqual(
      [
        'LICENSE',
        'README.md',
        'denoising.yaml',
        'package.json',
        ...built.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]),
      ].sort(),
    );
  });

  it('npm installs the plugin without a second copy of Graft', () => {
    expect(readJson(join(project, 'package.json'))).toMatchObject({
      dependencies: { [NAME]: expect.any(String) as string },
    });
    expect(readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([NAME]);
    expect(readdirSync(join(project, 'node_modules', NAME))).not.toContain('node_modules');
    // The test is of the packed Graft only if that is what Node finds.
    expect(realpathSync(join(modules, '@graft', 'core'))).toBe(join(realpathSync(modules), '@graft', 'core'));
  });

  it('the plugin passes its own tests, as its author runs them', async () => {
    const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
    const { stderr } = await run(process.execPath, [jest, '--ci'], { cwd: pluginFolder });
    expect(stderr).toMatch(/Tests: +\d+ passed, \d+ total/);
  });

  it('the plugin has types for a consumer in TypeScript', async () => {
    write(
      join(project, 'consumer.ts'),
      `import { plugin, repeatedShare, type TokenMaskingOptions } from '${NAME}';
export const [share, rate, name]: [number, TokenMaskingOptions['rate'], string] = [repeatedShare([[1, 1]], 1), 0.5, plugin.name];
`,
    );
    const flags = ['--noEmit', '--strict', '--module', 'node20', '--target', 'ES2022', '--skipLibCheck'];
    await tsc([...flags, '--types', 'node', 'consumer.ts'], project);
    write(join(project, 'wrong.ts'), `import { repeatedShare } from '${NAME}';\nrepeatedShare('text', 1);\n`);
    await expect(tsc([...flags, '--types', 'node', 'wrong.ts'], project)).rejects.toThrow(/wrong\.ts.*TS2345/);
  });

  it('graft plugins lists the components of the plugin', async () => {
    const listed = JSON.parse(await graft(['plugins', '--json', '--plugin', NAME])) as { plugin: string }[];
    expect(listed.filter(({ plugin }) => plugin === NAME)).toEqual([
      expect.objectContaining({
        interface: 'objective',
        id: 'token-masking',
        version: '1.0.0',
        origin: `package ${NAME}`,
      }),
      expect.objectContaining({
        interface: 'evaluator',
        id: 'repetition',
        version: '1.0.0',
        origin: `package ${NAME}`,
      }),
    ]);
    expect(listed.some(({ plugin }) => plugin !== NAME)).toBe(true);
  });

  it("a run trains and evaluates with the plugin's example config", async () => {
    cpSync(join(project, 'node_modules', NAME, 'denoising.yaml'), join(project, 'denoising.yaml'));
    write(join(project, 'texts', 'fox.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(400));
    // Not XLA: a run this short would spend its time compiling.
    const engine = (await findNativeLibrary()) ? 'graph' : 'portable';
    const settings = ['train.steps=60', 'evaluators.0.every=30'].flatMap((setting) => ['--set', setting]);
    const printed = await graft(['run', 'denoising.yaml', '--engine', engine, ...settings]);
    const runFolder = printed.trimEnd();
    expect(realpathSync(runFolder).startsWith(join(realpathSync(project), 'runs', 'denoising'))).toBe(true);

    const lines = readMetrics(runFolder) as (ReturnType<typeof readMetrics>[number] & { accuracy: number })[];
    expect(lines).toHaveLength(60);
    expect(lines[59].loss).toBeLessThan(lines[0].loss - 1);
    expect(lines[59].accuracy).toBeGreaterThan(lines[0].accuracy);
    const evaluations = readJson<{ step: number; evaluator: string; metrics: Record<string, number> }[]>(
      join(runFolder, 'evaluations.json'),
    );
    expect(evaluations.map(({ step, evaluator }) => [step, evaluator])).toEqual([
      [30, 'repetition'],
      [60, 'repetition'],
    ]);
    for (const { metrics } of evaluations) {
      expect(metrics.repeated).toBeGreaterThanOrEqual(0);
      expect(metrics.repeated).toBeLessThan(1);
      expect(metrics.tokens).toBeGreaterThan(0);
    }
    expect(readJson(join(runFolder, 'config.json'))).toMatchObject({
      plugins: expect.arrayContaining([NAME]) as string[],
      objective: { use: 'token-masking', rate: 0.3, maskToken: 259, padToMultipleOf: 32 },
      evaluators: [{ use: 'repetition', ngram: 3, newTokens: 32 }],
    });
  });
});
