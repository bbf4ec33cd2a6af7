import { isProcess } from '@graft/files';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, write, TINY_MODEL } from '../support/graft';

const folder = temporaryFolder();
write(join(folder, 'text.txt'), 'the graft grows upon the stock of wood and bark\n'.repeat(50));

function config(name: string): string {
  return write(
    join(folder, `${name}.yaml`),
    `name: ${name}
${TINY_MODEL}
initializer: { use: scratch }
objective: { use: prefix-lm }
dataset: { use: text, files: [${folder}/text.txt], tokenizer: bytes, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.003 }
train: { steps: 1000000, batchSize: 2, checkpointEvery: 0, loader: { threads: 0 } }
engine: portable
runs: ${folder}/runs
`,
  );
}

const record = (name: string): { status: string; process: { pid: number } } =>
  readJson(join(folder, 'runs', name, 'latest', 'run.json'));

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(50);
}

/** npm passes SIGTERM on to its shell alone, and the others to nobody. */
describe.each([
  ['npx', 'SIGTERM'],
  ['npx', 'SIGHUP'],
  ['npx', 'SIGKILL'],
  ['npm run', 'SIGTERM'],
] as const)('a run of %s whose npm gets %s', (npm, signal) => {
  it('the run stops with a checkpoint', async () => {
    const name = `${npm.replace(' ', '-')}-${signal}`;
    const file = config(name);
    write(join(folder, 'package.json'), JSON.stringify({ name: 'x', scripts: { train: 'graft run' } }));
    const args = npm === 'npx' ? ['graft', 'run', file] : ['run', '--prefix', folder, 'train', '--', file];
    const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` };
    // A group of its own: no other signal comes to it.
    const child = spawn(npm.split(' ')[0], args, { cwd: ROOT, stdio: 'ignore', env, detached: true });
    const ended = once(child, 'exit');
    await until(() => existsSync(join(folder, 'runs', name, 'latest', 'metrics.jsonl')));
    const { pid } = record(name).process;
    expect(pid).not.toBe(child.pid);
    child.kill(signal);
    await ended;
    await until(() => !isProcess(pid));
    expect(record(name).status).toBe('interrupted');
    expect(readdirSync(join(folder, 'runs', name, 'latest', 'checkpoints'))).toHaveLength(1);
  });
});

it('a run in the background of a script continues after its npm has ended', async () => {
  const file = config('background');
  const script = `graft run ${file} & while [ ! -e ${folder}/runs/background/latest/metrics.jsonl ]; do sleep 0.1; done`;
  write(join(folder, 'package.json'), JSON.stringify({ name: 'x', scripts: { background: script } }));
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env.PATH}` };
  const child = spawn('npm', ['run', '--prefix', folder, 'background'], { stdio: 'ignore', env });
  await once(child, 'exit');
  const { pid } = record('background').process;
  // Several looks of the watch that there is not.
  await sleep(1500);
  expect(isProcess(pid)).toBe(true);
  expect(record('background').status).toBe('running');
  process.kill(pid, 'SIGKILL');
});
