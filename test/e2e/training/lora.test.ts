import { AdapterReader, readHostTensors } from '@graft/checkpoint';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { largestDifference, largestMagnitude } from '../../golden/reference';
import { temporaryFolder, worstDifference } from '../../support';
import { fixture, readMetrics, runFolderOf, trajectoryConfig, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const base = join(folder, 'base');
cpSync(fixture('t5gemma-tiny-balanced'), base, { recursive: true });

const TRAIN =
  'train: { steps: 4, checkpointEvery: 2, loader: { threads: 0 }, lora: { rank: 2, alpha: 8, targets: [q_proj, up_proj] } }';
const config = write(
  join(folder, 'lora.yaml'),
  `${trajectoryConfig()
    .replace(/path: .*t5gemma-tiny-balanced/, `path: ${base}`)
    .replace(/train: .*/, TRAIN)}\nruns: ${folder}/runs\nengine: portable\n`,
);
const sets = (settings: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]);
const train = async (name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string> =>
  runFolderOf(await graftSucceeds(['run', config, ...sets({ name, ...settings })], folder));
const step = (run: string, at: number): string => join(run, 'checkpoints', `step-${at}`);
const losses = (run: string): number[] => readMetrics(run).map(({ loss }) => loss);

let whole: string;
beforeAll(async () => {
  whole = await train('whole');
});

/** Worst difference between the tensors of two files. */
async function difference(one: string, other: string): Promise<number> {
  const [a, b] = [await readHostTensors(one), await readHostTensors(other)];
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  return Math.max(...Object.keys(a).map((name) => worstDifference(a[name].values, b[name].values)));
}

const ADAPTER = 'adapter_model.safetensors';

test('the first loss is that of the base model to the last bit, and only pairs have gradients and state', async () => {
  const full = await train('full', { 'train.steps': 1, 'train.lora': null });
  expect(losses(whole)[0]).toBe(losses(full)[0]);
  expect(losses(whole)[3]).not.toBe(losses(full)[3]);
  expect(existsSync(join(step(whole, 4), 'model.safetensors'))).toBe(false);
  const state = Object.keys(await readHostTensors(join(step(whole, 4), 'optimizer.safetensors')));
  expect(state.every((name) => /lora_[AB]\.weight$/.test(name))).toBe(true);
  const adapter = await AdapterReader.open(step(whole, 4));
  expect([...adapter.pairs.keys()]).toContain('model.decoder.layers.0.cross_attn.q_proj');
  expect(adapter.config).toMatchObject({ rank: 2, alpha: 8, baseModel: base });
  await adapter.close();
  const { stdout } = await graftSucceeds(['run', config, '--dry-run'], folder);
  expect(stdout).toMatch(/parameters, of which \d,\d{3} train/);
});

test('an interrupted run continues to the same pairs and moving average, with merged checkpoints', async () => {
  const settings = { 'train.lora.save': 'merged', 'train.averageDecay': 0.9, 'train.lora.dropout': 0.1 };
  const once = await train('once', settings);
  const first = await train('twice', { ...settings, 'train.steps': 2 });
  const resume = ['--resume', first.split('/').pop()!];
  await graftSucceeds(['run', config, ...sets({ name: 'twice', ...settings }), ...resume], folder);
  expect(losses(first)).toEqual(losses(once));
  for (const file of [`adapter/${ADAPTER}`, `average/adapter/${ADAPTER}`, 'optimizer.safetensors'])
    expect([file, await difference(join(step(first, 4), file), join(step(once, 4), file))]).toEqual([file, 0]);
});

test('pairs are the same with micro-batches, recomputed blocks and dropped inputs', async () => {
  const dropped = { 'train.lora.dropout': 0.2 };
  const plain = await train('dropped', dropped);
  expect(losses(plain)).not.toEqual(losses(whole));
  const spared = await train('spared', { ...dropped, 'train.microBatches': 3, 'model.rematerialize': 'block' });
  const off = losses(spared).map((loss, i) => Math.abs(loss / losses(plain)[i] - 1));
  expect(Math.max(...off)).toBeLessThan(1e-5);
});

test('a merged model, a merged checkpoint and an adapter in memory compute the same, and evaluations measure it', async () => {
  const merged = await train('merged', { 'train.lora.save': 'merged' });
  const out = join(folder, 'model-and-adapter');
  const { stdout } = await graftSucceeds(['merge', base, '--adapter', step(whole, 4), '--out', out], folder);
  expect(stdout).toBe(`${out}\n`);
  expect(await difference(join(out, 'model.safetensors'), join(step(merged, 4), 'model.safetensors'))).toBeLessThan(
    1e-6,
  );
  const inputs = join(base, 'expected.safetensors');
  const logits = async (...model: string[]): Promise<Awaited<ReturnType<typeof readHostTensors>>[string]> => {
    const output = join(folder, `${model.length}-${model[1].replace(/\W/g, '-')}.safetensors`);
    const own = ['--inputs', inputs, '--output', output, '--force', '--encoder-window', 'inclusive'];
    await graftSucceeds(['forward', '--engine', 'portable', ...model, ...own], folder);
    return (await readHostTensors(output)).logits;
  };
  const expected = await logits('--model', out);
  for (const model of [
    ['--model', base, '--adapter', step(whole, 4)],
    ['--model', step(merged, 4)],
  ])
    expect(largestDifference(await logits(...model), expected) / largestMagnitude(expected)).toBeLessThan(1e-5);
  expect(largestDifference(await logits('--model', base), expected)).toBeGreaterThan(0.01);
});

test('a run begins with the pairs of an adapter, or with a model that it is merged into', async () => {
  const from = await train('from', { 'train.lora.from': step(whole, 2), 'train.steps': 1 });
  const into = await train('into', { 'initializer.adapter': step(whole, 2), 'train.steps': 1, 'train.lora': null });
  expect(Math.abs(losses(from)[0] / losses(into)[0] - 1)).toBeLessThan(1e-6);
  expect(losses(from)[0]).not.toBe(losses(whole)[0]);
  const { status, stderr } = await graft(
    ['run', config, ...sets({ 'train.lora.from': step(whole, 2), 'train.lora.rank': 4 })],
    folder,
  );
  expect([status, stderr]).toEqual([2, expect.stringContaining('has the rank 2, but train.lora.rank is 4.')]);
});

test('an adapter in place of a model, and one of another model, are refused with the way out', async () => {
  const forward = ['forward', '--inputs', join(base, 'expected.safetensors'), '--output', join(folder, 'none.st')];
  const alone = await graft([...forward, '--model', step(whole, 4)], folder);
  expect([alone.status, alone.stderr]).toEqual([
    2,
    expect.stringMatching(/holds an adapter, and not a whole model\.\n.*--adapter/),
  ]);
  const other = await graft([...forward, '--model', fixture('gemma2-tiny'), '--adapter', step(whole, 4)], folder);
  expect([other.status, other.stderr]).toEqual([
    2,
    expect.stringMatching(
      /is not an adapter of this model: the model has no module "model\.encoder\.[^"]+"; the nearest is "model\./,
    ),
  ]);
});

test('a run continues only with the base model that it began with', async () => {
  const run = await train('changed', { 'train.steps': 2 });
  const weights = join(base, 'model.safetensors');
  const before = readFileSync(weights);
  const changed = Buffer.from(before);
  changed[changed.length - 2] ^= 1;
  writeFileSync(weights, changed);
  const resume = ['run', config, ...sets({ name: 'changed' }), '--resume', run.split('/').pop()!];
  const { status, stderr } = await graft(resume, folder);
  expect([status, stderr]).toEqual([
    2,
    expect.stringContaining('holds an adapter of other weights than the initializer gives'),
  ]);
  writeFileSync(weights, before);
  await graftSucceeds(resume, folder);
  expect(await difference(join(step(run, 4), ADAPTER), join(step(whole, 4), ADAPTER))).toBe(0);
});
