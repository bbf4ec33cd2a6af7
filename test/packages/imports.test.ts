/** What importing a package loads: in new processes, from the build. */
import { spawnSync } from 'node:child_process';
import { ROOT } from '../support';
import { manifestOf, WORKSPACES } from './tarballs';

function run(code: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['-e', code], { cwd: ROOT, encoding: 'utf8' });
}

/** Modules that are slow to load, or that do not load on every machine, by the place that loads them. */
const LATE = ['axios', 'koffi', 'jiti', 'js-yaml', 'pino', 'pino-pretty', 'semver', 'yauzl'];

test.each(WORKSPACES.map((folder) => manifestOf(folder).name))('importing %s loads nothing that waits', (name) => {
  const { stdout, stderr } = run(`
    require('${name}');
    const files = Object.keys(require.cache);
    const names = files.map((file) => /.*node_modules[\\\\/]((?:@[^\\\\/]+[\\\\/])?[^\\\\/]+)/.exec(file)?.[1]);
    console.log(JSON.stringify(${JSON.stringify(LATE)}.filter((late) => names.includes(late))));`);
  expect({ stderr, stdout: stdout.trim() }).toEqual({ stderr: '', stdout: '[]' });
});

const WITHOUT_KOFFI = `
  const { Module } = require('node:module');
  const load = Module._load;
  Module._load = (request, ...rest) => {
    if (request === 'koffi') throw new Error('Cannot find the native Koffi module; did you bundle it correctly?');
    return load(request, ...rest);
  };
  const { openEngine, tf } = require('@graft/engine');`;

test('the portable engine works where koffi has no build', () => {
  const { stdout, stderr } = run(`${WITHOUT_KOFFI}
    openEngine({ mode: 'portable' }).then(() => console.log(tf.sum(tf.tensor([1, 2, 3])).dataSync()[0]));`);
  expect({ stderr, stdout }).toEqual({ stderr: '', stdout: '6\n' });
});

test('workers of one machine are refused without koffi', () => {
  const { stdout } = run(`${WITHOUT_KOFFI}
    openEngine({ mode: 'portable' })
      .then(({ collectives }) => collectives.join({ workers: ['127.0.0.1:49000', '127.0.0.1:49001'], rank: 0, local: true, secret: 's'.repeat(32) }))
      .catch(({ code, message }) => console.log(code + ' ' + message));`);
  expect(stdout).toBe(
    'workers.shared-memory Workers of this machine cannot share memory. koffi, which calls native libraries, cannot be loaded: Cannot find the native Koffi module; did you bundle it correctly.\n',
  );
});
