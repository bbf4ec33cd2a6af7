import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { readJson, readMetrics, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const WORDS = ['red', 'blue', 'green', 'black', 'white', 'brown'];
const jsonLines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
write(join(folder, 'texts.jsonl'), jsonLines(WORDS.map((word, i) => ({ text: `${word} is colour number ${i}` }))));
write(join(folder, 'pairs.jsonl'), jsonLines(WORDS.map((word, i) => ({ number: i, word }))));

const config = write(
  join(folder, 'mixed.yaml'),
  `name: mixed
engine: portable
model:
  kind: encoder-decoder
  vocabularySize: 320
  decoder: { layers: 1, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }
initializer: { use: scratch, std: 0.1 }
objective:
  use: mixture
  objectives:
    - { objective: prefix-lm, rate: 2, untilStep: 8 }
    - { objective: { use: ul2, sentinels: { count: 50 } }, name: denoising, rate: 2, fromStep: 8 }
    - { objective: seq2seq, name: pairs }
dataset: &data
  use: mixture
  datasets:
    - { dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes }, objective: prefix-lm }
    - { dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes }, objective: denoising, rate: 3 }
    - dataset: { use: jsonl, files: pairs.jsonl, source: 'Colour {number}?', target: word, tokenizer: bytes }
      objective: pairs
optimizer: { use: adamw, learningRate: 0.01 }
evaluators: [{ use: loss, batches: 2, batchSize: 3, dataset: *data }]
train: { steps: 14, batchSize: 3, checkpointEvery: 5 }
runs: ${folder}/runs
`,
);

/** The objective of each step, recognised by its metrics, with the loss. */
const stepsOf = (run: string): string[] =>
  readMetrics(run).map((line) => {
    const own = Object.keys(line).filter((key) => key.startsWith('loss/'));
    return `${own.join()} ${line.loss}`;
  });

test('objectives are drawn by rate and step with their own data, and a resumed run draws the same', async () => {
  const whole = runFolderOf(await graftSucceeds(['run', config], folder));
  const steps = stepsOf(whole);
  const names = steps.map((step) => step.split(' ')[0]);
  expect(new Set(names.slice(0, 8))).toEqual(new Set(['loss/prefix-lm', 'loss/pairs']));
  expect(new Set(names.slice(8))).toEqual(new Set(['loss/denoising', 'loss/pairs']));
  const [{ metrics }] = readJson<{ metrics: Record<string, number> }[]>(join(whole, 'evaluations.json'));
  expect(Object.keys(metrics)).toEqual(
    ['prefix-lm', 'denoising', 'pairs'].flatMap((name) =>
      ['loss', 'perplexity', 'tokens', 'bitsPerByte', 'bytes'].map((key) => `${key}/${name}`),
    ),
  );

  const part = runFolderOf(
    await graftSucceeds(['run', config, '--set', 'name=part', '--set', 'train.steps=10'], folder),
  );
  await graftSucceeds(['run', config, '--set', 'name=part', '--resume'], folder);
  expect(stepsOf(part)).toEqual(steps);
});

test('the losses do not depend on the number of data threads, before and after a resume', async () => {
  const run = async (threads: number, name: string, ...more: string[]): Promise<string[]> => {
    const set = [`name=${name}`, `train.loader.threads=${threads}`, 'evaluators=[]', 'train.steps=9'];
    const args = [...set, ...more.filter((one) => one.includes('='))].flatMap((one) => ['--set', one]);
    const flags = more.filter((one) => !one.includes('='));
    return stepsOf(runFolderOf(await graftSucceeds(['run', config, ...args, ...flags], folder)));
  };
  const steps = await run(0, 'threads-0');
  expect(new Set(steps.map((step) => step.split(' ')[0])).size).toBe(3);
  expect(await run(1, 'threads-1')).toEqual(steps);
  await run(2, 'threads-2', 'train.steps=4');
  expect(await run(2, 'threads-2', '--resume')).toEqual(steps);
});

test.each([
  [
    'dataset.datasets.0.objective=prefix',
    /dataset "mixture" has items for "prefix", but objective "mixture" has "prefix-lm", "denoising", "pairs"\./,
  ],
  [
    'dataset.datasets.2.objective=denoising',
    /The dataset "mixture" has nothing for "pairs": each of its datasets is for another objective\./,
  ],
  ["dataset.datasets.2.dataset.source='Colour {number'", /source: "\{" at character 8 is not closed/],
  [
    'objective.objectives.2.objective=causal-lm',
    /"prefix-lm" trains encoder-decoder models, "pairs" decoder-only models/,
  ],
  ['objective.objectives.0.rates=1', /objective\.objectives\.0.*rates/],
])('the setting %s is refused with the reason', async (set, message) => {
  const { status, stderr } = await graft(['run', config, '--set', set], folder);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});
