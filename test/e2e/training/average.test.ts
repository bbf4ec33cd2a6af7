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

const [second, third, fourth] = [2, 3, 4].map((step) => () => join(checkpoints, `step-${step}`));

/** Worst difference between the tensors of a checkpoint and what they should be, from those of others. */
async function differenceTo(
  out: string,
  folders: readonly string[],
  expected: (...values: number[]) => number,
): Promise<number> {
  const [made, ...from] = await Promise.all([out, ...folders].map((path) => CheckpointReader.open(path)));
  let worst = 0;
  for (const name of made.tensors.keys()) {
    const values = await Promise.all(from.map((reader) => reader.readFloat32(name)));
    const wanted = values[0].map((_, i) => expected(...values.map((one) => one[i])));
    worst = Math.max(worst, worstDifference(await made.readFloat32(name), wanted));
  }
  await Promise.all([made, ...from].map((reader) => reader.close()));
  return worst;
}

test('weights decide how much each checkpoint counts', async () => {
  const out = join(folder, 'weighted');
  await graftSucceeds(['average', third(), fourth(), '--weights', '3,1', '--out', out], folder);
  expect(await differenceTo(out, [third(), fourth()], (a, b) => 0.75 * a + 0.25 * b)).toBeLessThan(1e-7);
});

test('differences are added to a base, and a merged checkpoint loads like any other', async () => {
  const tasks = join(folder, 'tasks');
  const args = ['--base', second(), '--delta', third(), fourth(), '--weights', '1,-0.5', '--scale', '2'];
  const { stderr } = await graftSucceeds(['average', ...args, '--out', tasks], folder);
  expect(stderr).toContain('(task-arithmetic)');
  const expected = (base: number, a: number, b: number): number => base + 2 * (a - base) - (b - base);
  expect(await differenceTo(tasks, [second(), third(), fourth()], expected)).toBeLessThan(1e-6);
  const shown = (await graftSucceeds(['inspect', tasks], folder)).stdout;
  expect(shown).toContain('graft.json: merged');
});

test('TIES of one difference that is not trimmed, and slerp at its end, are the checkpoints themselves', async () => {
  const ties = join(folder, 'ties');
  await graftSucceeds(
    ['average', '--method', 'ties', '--base', second(), '--delta', third(), '--density', '1', '--out', ties],
    folder,
  );
  expect(await differenceTo(ties, [third()], (a) => a)).toBeLessThan(1e-7);
  const end = join(folder, 'slerp');
  await graftSucceeds(['average', third(), fourth(), '--method', 'slerp', '--t', '1', '--out', end], folder);
  expect(await differenceTo(end, [fourth()], (a) => a)).toBe(0);
});

test.each<[string, (out: string) => string[], RegExp]>([
  [
    'density without ties',
    (out) => [third(), fourth(), '--density', '0.5', '--out', out],
    /--density belongs to ties; the method here is linear/,
  ],
  [
    'ties without a base',
    (out) => [third(), fourth(), '--method', 'ties', '--out', out],
    /takes a checkpoint by --base/,
  ],
  [
    'a base with folders',
    (out) => [third(), '--base', second(), '--delta', fourth(), '--out', out],
    /name the other checkpoints by --delta/,
  ],
  [
    'slerp of three',
    (out) => [second(), third(), fourth(), '--method', 'slerp', '--out', out],
    /slerp takes two checkpoints, not 3/,
  ],
  ['a weight too few', (out) => [third(), fourth(), '--weights', '1', '--out', out], /There are 1 weights for 2/],
  ['a weight that is a word', (out) => [third(), fourth(), '--weights', '1,x', '--out', out], /"x" is not a number/],
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
