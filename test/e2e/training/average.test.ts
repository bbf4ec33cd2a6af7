import { CheckpointReader } from '@graft/checkpoint';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '../../support';
import { fixture, runFolderOf, trajectoryConfig, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
let checkpoints: string;

beforeAll(async () => {
  const config = write(
    join(folder, 'run.yaml'),
    `${trajectoryConfig().replace(/train: .*/, 'train: { steps: 4, checkpointEvery: 1, keepCheckpoints: 3 }')}\nruns: ${folder}/runs\nengine: portable\n`,
  );
  checkpoints = join(runFolderOf(await graftSucceeds(['run', config], folder)), 'checkpoints');
});

test('the newest checkpoints of a run are averaged into a checkpoint that loads like any other', async () => {
  const out = join(folder, 'mean');
  const { stdout } = await graftSucceeds(
    ['average', '--run', join(folder, 'runs', 'trajectory'), '--last', '2', '--out', out],
    folder,
  );
  expect(stdout).toBe(`${out}\n`);
  const readers = await Promise.all(
    [join(checkpoints, 'step-3'), join(checkpoints, 'step-4'), out].map((path) => CheckpointReader.open(path)),
  );
  const [third, fourth, mean] = readers;
  expect([...mean.tensors.keys()]).toEqual([...fourth.tensors.keys()]);
  let moved = 0;
  for (const name of mean.tensors.keys()) {
    const [a, b, m] = [await third.readFloat32(name), await fourth.readFloat32(name), await mean.readFloat32(name)];
    const expected = a.map((value, i) => (value + b[i]) / 2);
    expect([name, worstDifference(m, expected)]).toEqual([name, 0]);
    moved += Number(worstDifference(a, b) > 0);
  }
  expect(moved).toBeGreaterThan(0);
  await Promise.all(readers.map((reader) => reader.close()));
  expect((await graftSucceeds(['inspect', out], folder)).stdout).toContain('encoder');
});

test('checkpoint folders can be named one by one', async () => {
  const out = join(folder, 'mean-of-folders');
  const folders = [2, 3, 4].map((step) => join(checkpoints, `step-${step}`));
  await graftSucceeds(['average', ...folders, '--out', out], folder);
  expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
});

test.each<[string, (out: string) => string[], RegExp]>([
  [
    'too few checkpoints',
    (out) => ['--run', 'runs/trajectory', '--last', '9', '--out', out],
    /holds 3 checkpoints \(step-2, step-3, step-4\), but 9 were asked for/,
  ],
  ['a folder that is not a run', (out) => ['--run', 'nowhere', '--out', out], /nowhere is not a run/],
  ['no input', (out) => ['--out', out], /Name either checkpoint folders or --run/],
  [
    'different models',
    (out) => [join(checkpoints, 'step-4'), fixture('gemma2-tiny'), '--out', out],
    /cannot be averaged: "[a-z_]+" in config\.json is/,
  ],
  ['one folder alone', (out) => ['runs/x', '--out', out], /One checkpoint, runs\/x, has no mean but itself/],
])('%s cannot be averaged: the command exits with 2 and writes nothing', async (name, args, message) => {
  const out = join(folder, `out-${name}`);
  const { status, stderr } = await graft(['average', ...args(out)], folder);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/ {4}at /);
  expect(existsSync(out)).toBe(false);
});
