/** Distillation on what the student writes, as a user runs it. */
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, readMetrics, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const rows = Array.from({ length: 12 }, (_, i) => JSON.stringify({ source: `question ${i}`, target: `answer ${i}` }));
write(join(folder, 'pairs.jsonl'), rows.join('\n'));

const config = (name: string, more: string): string =>
  write(
    join(folder, `${name}.yaml`),
    `name: ${name}
engine: portable
runs: ${folder}/runs
dataset: { use: jsonl, files: pairs.jsonl, tokenizer: bytes, source: source, target: target }
optimizer: { use: adamw, learningRate: 0.003, clipNorm: 1 }
${more}`,
  );
const objective = (more: string): string =>
  `objective: { use: on-policy-distillation, teacher: ${fixture('gemma2-tiny')}, padToMultipleOf: 16, maxNewTokens: 6, ${more} }`;

test('an encoder-decoder comes closer to its teacher on what it writes, and a resumed run writes the same', async () => {
  const file = config(
    'student',
    `initializer: { use: load, path: ${fixture('t5gemma-tiny-balanced')} }\n${objective('beta: 0.5')}\ntrain: { steps: 8, batchSize: 4, loader: { threads: 0 } }`,
  );
  const whole = readMetrics(runFolderOf(await graftSucceeds(['run', file], folder)));
  const mean = (from: number): number => whole.slice(from, from + 3).reduce((sum, { loss }) => sum + loss / 3, 0);
  expect(mean(5)).toBeLessThan(0.8 * mean(0));

  const parted = ['run', file, '--set', 'name=parted', '--set', 'train.steps=1'];
  await graftSucceeds(parted, folder);
  const resumed = await graftSucceeds([...parted.slice(0, -1), 'train.steps=2', '--resume'], folder);
  expect(readMetrics(runFolderOf(resumed)).map(({ loss }) => loss)).toEqual(whole.slice(0, 2).map(({ loss }) => loss));
});

test('a part of a mixture writes in its own steps, under train.lora too', async () => {
  const member = objective('beta: 1').replace('objective: ', '');
  const file = config(
    'mixed',
    `initializer: { use: load, path: ${fixture('t5gemma-tiny-balanced')} }
objective: { use: mixture, objectives: [{ objective: seq2seq }, { objective: ${member} }] }
train: { steps: 4, batchSize: 2, lora: { rank: 2 }, microBatches: 2 }`,
  );
  const lines = readMetrics(runFolderOf(await graftSucceeds(['run', file], folder))) as never as Record<
    string,
    number
  >[];
  const parts = lines.flatMap((line) => Object.keys(line).filter((name) => name.startsWith('loss/')));
  expect(new Set(parts)).toEqual(new Set(['loss/seq2seq', 'loss/on-policy-distillation']));
});

test('a teacher of another kind is an error of one sentence', async () => {
  const file = config(
    'wrong',
    `initializer: { use: load, path: ${fixture('t5gemma-tiny-balanced')} }
objective: { use: on-policy-distillation, teacher: ${fixture('t5gemma-tiny-balanced')} }
train: { steps: 1, batchSize: 2 }`,
  );
  const { status, stderr } = await graft(['run', file], folder);
  expect(status).toBe(2);
  expect(stderr).toContain('A teacher is a decoder-only model; this one is encoder-decoder.');
});
