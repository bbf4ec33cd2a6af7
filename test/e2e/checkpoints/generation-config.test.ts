import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, readJson, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const source = join(folder, 'it');
const GENERATION = {
  bos_token_id: 2,
  eos_token_id: [289, 228],
  pad_token_id: 0,
  top_k: 64,
  cache_implementation: 'hybrid',
};
const prompt = ['--prompt', 'abc', '--tokenizer', 'bytes', '--engine', 'portable'];

beforeAll(() => {
  cpSync(fixture('gemma2-tiny-it'), source, { recursive: true });
  writeFileSync(join(source, 'generation_config.json'), JSON.stringify(GENERATION));
});

const generationOf = (checkpoint: string): object => readJson(join(checkpoint, 'generation_config.json'));

test('the end tokens of an instruction-tuned model survive adapting, training and averaging', async () => {
  const adapted = join(folder, 'adapted');
  await graftSucceeds(['adapt', '--encoder', source, '--decoder', source, '--out', adapted], folder);
  const { cache_implementation: _, ...kept } = GENERATION;
  expect(generationOf(adapted)).toEqual(kept);
  const config = write(
    join(folder, 'run.yaml'),
    `
name: tuned
engine: portable
initializer: { use: load, path: ${adapted} }
objective: prefix-lm
dataset: { use: text, files: [${write(join(folder, 'text.txt'), 'once upon a time '.repeat(50))}], tokenizer: bytes, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 2, batchSize: 2, checkpointEvery: 1, averageDecay: 0.9 }
runs: ${folder}/runs
`,
  );
  const run = runFolderOf(await graftSucceeds(['run', config], folder));
  const steps = [1, 2].map((step) => join(run, 'checkpoints', `step-${step}`));
  for (const step of steps) {
    expect(generationOf(step)).toEqual(kept);
    expect(generationOf(join(step, 'average'))).toEqual(kept);
  }
  const mean = join(folder, 'mean');
  await graftSucceeds(['average', ...steps, '--out', mean], folder);
  expect(generationOf(mean)).toEqual(kept);
  const { stderr } = await graftSucceeds(['generate', '--model', mean, ...prompt, '--sample'], folder);
  expect(stderr).toContain('From generation_config.json: end tokens 289 228, top_k 64.');
});

test('a resumed run keeps the end tokens, and the section `model` overrides them', async () => {
  const config = (steps: number): string =>
    write(
      join(folder, 'only.yaml'),
      `
name: only
engine: portable
model: { eosTokenId: [5, 6] }
initializer: { use: load, path: ${source} }
objective: causal-lm
dataset: { use: text, files: [${write(join(folder, 'text.txt'), 'once upon a time '.repeat(50))}], tokenizer: bytes, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: ${steps}, batchSize: 2, checkpointEvery: 1 }
runs: ${folder}/runs
`,
    );
  const run = runFolderOf(await graftSucceeds(['run', config(1)], folder));
  expect(generationOf(join(run, 'checkpoints', 'step-1'))).toEqual({ ...GENERATION, eos_token_id: [5, 6] });
  await graftSucceeds(['run', config(2), '--resume'], folder);
  expect(generationOf(join(run, 'checkpoints', 'step-2'))).toEqual({ ...GENERATION, eos_token_id: [5, 6] });
});

test('a malformed generation_config.json is one sentence, wherever the checkpoint is read', async () => {
  const broken = join(folder, 'broken');
  cpSync(source, broken, { recursive: true });
  const file = join(broken, 'generation_config.json');
  writeFileSync(file, '{"eos_token_id": "end"}');
  const sentence = `${file}: "eos_token_id" should be a token id below 300, the size of the vocabulary, or a list of them, but is "end".`;
  const generated = await graft(['generate', '--model', broken, ...prompt], folder);
  expect([generated.status, generated.stderr]).toEqual([expect.any(Number), expect.stringContaining(sentence)]);
  expect(generated.status).not.toBe(0);
  const adapted = await graft(['adapt', '--encoder', broken, '--out', join(folder, 'none')], folder);
  expect(adapted.stderr).toContain(sentence);
  writeFileSync(file, '[1, 2]');
  const listed = await graft(['generate', '--model', broken, ...prompt], folder);
  expect(listed.stderr).toContain(`${file} does not hold a JSON object.`);
});

test.each<[string[], RegExp]>([
  [['--sample', '--temperature', '0'], /--temperature 0 takes the most probable token; it does not go with --sample/],
  [['--beams', '1', '--length-penalty', '2'], /--beams 1 is none/],
  [['--length-penalty', '2'], /--length-penalty belongs to --beams/],
  [['--beams', '2', '--sample'], /does not go with sampling/],
])('the options %s are refused', async (options, message) => {
  const { status, stderr } = await graft(['generate', '--model', source, ...prompt, ...options], folder);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});
