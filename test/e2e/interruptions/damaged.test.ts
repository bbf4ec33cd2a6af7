/** What every command makes of a run's checkpoint that is not what was written. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { makeOld } from '../../../packages/core/test/old-snapshots';
import { graft, graftSucceeds, readMetrics, runFolderOf, write } from '../support/graft';

const folder = temporaryFolder();
let config: string;
let run: string;
let id: string;

const step = (n: number): string => join(run, 'checkpoints', `step-${n}`);

beforeAll(async () => {
  write(join(folder, 'text.txt'), 'once upon a time '.repeat(50));
  config = write(
    join(folder, 'small.yaml'),
    `name: small
engine: portable
model: { vocabularySize: 320, encoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2 }, decoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2 } }
initializer: scratch
objective: { use: prefix-lm }
dataset: { use: text, files: [text.txt], tokenizer: bytes, lengthTokens: 32 }
evaluators: [{ use: loss, batches: 1, dataset: { use: text, files: [text.txt], tokenizer: bytes, lengthTokens: 32, shuffle: false } }]
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 6, batchSize: 2, checkpointEvery: 2, keepCheckpoints: 3, averageDecay: 0.9, loader: { threads: 0 } }
runs: runs
`,
  );
  run = runFolderOf(await graftSucceeds(['run', config], folder));
  id = run.split('/').pop()!;
});

test('every command that reads the weights detects a flipped bit, and a run can resume from an earlier checkpoint', async () => {
  const whole = readMetrics(run).map(({ loss }) => loss);
  const file = join(step(6), 'model.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 2] ^= 0x10;
  writeFileSync(file, bytes);
  const damage = /step-6\/model\.safetensors is damaged: tensor ".*" does not hold what was written/;
  for (const args of [
    ['inspect', step(6), '--verify'],
    ['average', step(6), step(4), '--out', join(folder, 'mean')],
    ['evaluate', config, '--checkpoint', step(6)],
    ['generate', '--model', step(6), '--prompt', 'ab', '--tokenizer', 'bytes', '--engine', 'portable'],
    ['run', config, '--resume', id, '--set', 'train.steps=8'],
  ]) {
    const outcome = await graft(args, folder);
    expect([args[0], outcome.status]).toEqual([args[0], 1]);
    expect(outcome.stderr).toMatch(damage);
    if (args[0] !== 'run') continue;
    expect(outcome.stderr).toContain('; the run can continue from step-4.');
    expect(outcome.stderr).toContain(`The same command with --resume ${id} --from-last-good checks every byte`);
  }
  const set = ['--set', 'train.steps=8'];
  const { stderr } = await graftSucceeds(['run', config, '--resume', id, '--from-last-good', ...set], folder);
  expect(stderr).toMatch(/Skipped step-6: .* It is called step-6\.damaged now/);
  expect(stderr).toContain(`Every byte of ${step(4)} is as it was written.`);
  expect(
    readMetrics(run)
      .slice(0, 6)
      .map(({ loss }) => loss),
  ).toEqual(whole);
  expect(readdirSync(join(run, 'checkpoints')).sort()).toEqual(['step-4', 'step-6', 'step-6.damaged', 'step-8']);
});

test('`inspect --verify` reports what it compared', async () => {
  const verified = async (): Promise<string> => (await graftSucceeds(['inspect', step(8), '--verify'], folder)).stdout;
  expect(await verified()).toContain('Every byte was read, and is as it was written.');
  makeOld(step(8));
  expect(await verified()).toContain('this checkpoint was written before checkpoints had digests');
});

test('--from-last-good without --resume is refused', async () => {
  const { status, stderr } = await graft(['run', config, '--from-last-good'], folder);
  expect(status).toBe(2);
  expect(stderr).toContain('--from-last-good belongs to --resume');
});
