/** UL2 whose denoisers ask for as much text as they can use, through the real command: in threads, stopped and resumed. */
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { readMetrics, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const run = async (
  ...args: string[]
): Promise<{ log: string; losses: number[]; metrics: Record<string, number>[] }> => {
  const { stdout, stderr } = await graftSucceeds(['run', 'base.yaml', ...args], folder);
  const metrics = readMetrics(stdout.trim()) as unknown as Record<string, number>[];
  return { log: stderr, losses: metrics.map(({ loss }) => loss), metrics };
};
const set = (...settings: string[]): string[] => settings.flatMap((one) => ['--set', one]);

beforeAll(() => {
  write(
    join(folder, 'a.txt'),
    Array.from({ length: 900 }, (_, i) => `the ${i} old trees and the ${i * 7} birds`).join('\n\n'),
  );
  write(
    join(folder, 'base.yaml'),
    `name: base
engine: portable
model: { vocabularySize: 320, decoder: { layers: 1, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1 } }
initializer: { use: scratch, std: 0.1 }
objective: { use: ul2, preset: t5gemma2, modeTokens: auto, inputTokens: 64 }
dataset: { use: text, files: a.txt, separator: "\\n\\n", tokenizer: bytes, lengthTokens: 64, shuffleWindows: 4 }
optimizer: { use: adamw, learningRate: 0.01 }
evaluators: [{ use: loss, batches: 1, batchSize: 2, dataset: { use: text, files: a.txt, tokenizer: bytes, lengthTokens: 64, shuffle: false } }]
train: { steps: 8, batchSize: 4, loader: { threads: 2 } }
runs: ${folder}/runs
`,
  );
});

it('ul2 with inputTokens trains the same in threads and after a resume', async () => {
  const whole = await run();
  expect(whole.losses).toHaveLength(8);
  expect(whole.log).toMatch(/Denoisers read tokens of text, in batches of source \+ target: \w/);
  // Each group of denoisers is measured by itself.
  expect(whole.log).toMatch(/loss at step 8: loss\/\S+ [\d.]+, .*loss\/S [\d.]+/);
  expect((await run(...set('train.loader.threads=0'))).losses).toEqual(whole.losses);
  await run(...set('name=stopped', 'train.steps=3'));
  expect((await run('--resume', ...set('name=stopped'))).losses).toEqual(whole.losses);
});

it('ul2 with inputTokens reads a mixture of data, and is a part of a mixture of objectives', async () => {
  const dataset = '{use: text, files: a.txt, tokenizer: bytes, lengthTokens: 64, shuffleWindows: 4}';
  const mixed = set(
    'name=mixed',
    `dataset={use: mixture, datasets: [{dataset: ${dataset}}, {dataset: ${dataset}}]}`,
    'objective={use: mixture, objectives: [{objective: prefix-lm}, {objective: {use: ul2, preset: t5gemma2, inputTokens: 64}, rate: 3}]}',
    'evaluators=[]',
  );
  const whole = await run(...mixed);
  expect(whole.metrics.some((line) => 'loss/ul2' in line)).toBe(true);
  expect((await run(...mixed, ...set('train.loader.threads=0'))).losses).toEqual(whole.losses);
});

it('unsuitable data are refused in a sentence', async () => {
  const refused = async (...settings: string[]): Promise<string> => {
    const { status, stderr } = await graft(['run', 'base.yaml', ...set(...settings)], folder);
    expect(status).toBe(2);
    return stderr;
  };
  expect(await refused('dataset.segments=true')).toMatch(
    /gives the field "segments".*but objective "ul2" \(\S+\) does not take it/,
  );
  expect(await refused('objective.inputTokens=640', 'objective.preset=ul2')).toMatch(/tokens need \d+ sentinels/);
  write(join(folder, 'rows.jsonl'), JSON.stringify({ text: 'x'.repeat(500) }));
  expect(await refused('dataset={use: jsonl, files: rows.jsonl, tokenizer: bytes}')).toMatch(
    /has 501 tokens, but the denoiser with rate [\d.]+.* takes \d+ where objective\.inputTokens is 64/,
  );
});
