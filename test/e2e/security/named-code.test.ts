import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { graft, write } from '../support/graft';

const OTHER_USER = 54_321;
/** Node's own search for packages goes up to the root: all of these are below a folder of this user. */
const folder = temporaryFolder();
const cache = join(temporaryFolder(), 'cache');
const environment = { GRAFT_CACHE: cache };
const named = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('Running code'));

beforeAll(() => {
  write(join(folder, 'node_modules', 'p', 'index.js'), `exports.plugin = { name: 'p', components: [] };`);
  write(join(folder, 'node_modules', 'p', 'package.json'), '{ "name": "p", "version": "1.2.3" }');
  write(join(folder, 'own.ts'), `export const plugin: object = { name: 'own', components: [] };`);
  write(join(folder, 'base.mjs'), `export default { name: 'x' };`);
  write(join(folder, 'graft.config.ts'), `export default { extends: 'base.mjs', plugins: ['p', 'own.ts'] };`);
});

it('standard error names each file of external code that runs, once', async () => {
  const { status, stdout, stderr } = await graft(['run'], folder, environment);
  expect(named(stderr)).toEqual([
    `Running code from ${folder}/graft.config.ts.`,
    `Running code from ${folder}/base.mjs.`,
    `Running code from ${folder}/node_modules/p/index.js (package p 1.2.3).`,
    `Running code from ${folder}/own.ts.`,
  ]);
  expect(stdout).toBe('');
  expect(status).toBe(2); // It names no model.
  expect(statSync(join(cache, 'code')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(cache, 'code'))).toHaveLength(2);
});

it('--json output stays valid, and --quiet and local workers do not name code', async () => {
  const plugins = ['plugins', '--plugin', 'p', '--plugin', './own.ts', '--json'];
  const { stdout, stderr } = await graft(plugins, folder, environment);
  expect(named(stderr)).toHaveLength(2);
  expect(JSON.parse(stdout)).toBeInstanceOf(Array);
  expect(named((await graft(['--quiet', ...plugins], folder, environment)).stderr)).toEqual([]);
  const worker = await graft(plugins, folder, { ...environment, GRAFT_LOCAL_WORKER: '1' });
  expect(named(worker.stderr)).toEqual([]);
});

it('code that another user has put above the working folder does not run, whatever its name', async () => {
  if (process.getuid!() !== 0) return;
  const shared = temporaryFolder();
  chmodSync(shared, 0o1777);
  const own = join(shared, 'mine');
  mkdirSync(own);
  const planted = write(join(shared, 'node_modules', '@graft', 'gemma', 'index.js'), `console.log('planted');`);
  const config = write(join(shared, 'graft.config.cjs'), `console.log('planted');`);
  for (const path of [join(shared, 'node_modules'), planted, config]) chownSync(path, OTHER_USER, OTHER_USER);
  const run = await graft(['run'], own, environment);
  expect(run.stderr).toBe(
    `graft: No config was named, and ${config} is not taken: it belongs to user ${OTHER_USER}, and you are user 0.\n` +
      `Configs can run code. If you trust this one, name it: \`graft run ${config}\`.\n`,
  );
  expect(run).toMatchObject({ status: 2, stdout: '' });
  const plugins = await graft(['plugins'], own, environment);
  expect(plugins.stderr).toContain(
    `Plugin "@graft/gemma" is not loaded: ${planted} is not yours alone (${join(shared, 'node_modules')}: it belongs to user ${OTHER_USER}`,
  );
  expect(plugins).toMatchObject({ status: 2, stdout: '' });
  // Who names it trusts it.
  expect((await graft(['run', config], own, environment)).stdout).toBe('planted\n');
});
