import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../../support';
import {
  graft,
  metricsReach,
  readJson,
  startGraft,
  tinyTextConfig,
  write,
  type StartedCommand,
} from '../support/graft';

const folder = temporaryFolder();
write(join(folder, 'text.txt'), 'a text that is read again and again\n'.repeat(50));
write(join(folder, 'tiny.yaml'), `${tinyTextConfig('tiny', 'steps: 100000')}engine: portable\n`);

/** The folders of a sweep's runs, once there are that many. */
async function runsOf(name: string, count: number): Promise<string[]> {
  for (let waited = 0; waited < 600; waited++) {
    const parent = join(folder, 'runs', name);
    const ids = await Promise.resolve()
      .then(() => readdirSync(parent))
      .catch((): string[] => []);
    const runs = ids.filter((id) => /^\d/.test(id));
    if (runs.length >= count) return runs.map((id) => join(parent, id));
    await sleep(50);
  }
  throw new Error(`${name} has not got ${count} runs.`);
}

async function startSweep(name: string, parallel = 2): Promise<StartedCommand & { readonly runs: string[] }> {
  const file = write(
    join(folder, `${name}.yaml`),
    'config: tiny.yaml\ngrid: { optimizer.learningRate: [0.01, 0.02] }\n',
  );
  const started = startGraft(['sweep', file, '--parallel', String(parallel)], folder);
  const runs = await runsOf(name, parallel);
  for (const run of runs) await metricsReach(run, 3);
  return { ...started, runs };
}

const statusOf = (run: string): unknown => readJson<{ status: unknown }>(join(run, 'run.json')).status;
const hasCheckpoint = (run: string): boolean =>
  readdirSync(join(run, 'checkpoints')).some((name) => /^step-/.test(name));

test('Ctrl-C saves a checkpoint of every trial, and the same command goes on from there', async () => {
  const { child, done, runs } = await startSweep('interrupted');
  child.kill('SIGINT');
  const { status, stderr } = await done;
  expect(status).toBe(130);
  expect(stderr).toContain('Stopped: 0 of 2 trials are finished. The same command goes on.');
  expect(runs.map((run) => [statusOf(run), hasCheckpoint(run)])).toEqual([
    ['interrupted', true],
    ['interrupted', true],
  ]);

  const again = startGraft(['sweep', join(folder, 'interrupted.yaml')], folder);
  const [line] = (await once(again.child.stderr!, 'data')) as [Buffer];
  expect(line.toString()).toContain('Sweep ');
  await sleep(3000);
  again.child.kill('SIGINT');
  expect((await again.done).stderr).toMatch(/1\/2 learningRate=0\.01: goes on at step \d+/);
  expect(await runsOf('interrupted', 2)).toHaveLength(2);
});

test('trials stop with a checkpoint when the sweep is killed', async () => {
  const { child, done, runs } = await startSweep('killed');
  child.kill('SIGKILL');
  await done;
  for (let waited = 0; waited < 200 && !runs.every((run) => statusOf(run) === 'interrupted'); waited++) await sleep(50);
  expect(runs.map((run) => [statusOf(run), hasCheckpoint(run)])).toEqual([
    ['interrupted', true],
    ['interrupted', true],
  ]);
});

test('a trial that is killed is reported at once and costs no other, and a second sweep of the name is refused', async () => {
  const { child, done, runs } = await startSweep('crashed');
  const busy = await graft(['sweep', join(folder, 'crashed.yaml')], folder);
  expect([busy.status, busy.stderr]).toEqual([2, expect.stringContaining('crashed')]);
  const { process: own } = readJson<{ process: { pid: number } }>(join(runs[0], 'run.json'));
  process.kill(own.pid, 'SIGKILL');
  const [line] = (await once(child.stderr!, 'data')) as [Buffer];
  expect(line.toString()).toMatch(/^\d\/2 learningRate=0\.0\d: failed\. It was ended by SIGKILL, as the system does/);
  await sleep(500);
  expect(statusOf(runs[1])).toBe('running');
  child.kill('SIGINT');
  expect((await done).status).toBe(130);
});
