/** Every command on a published model of each family. */
import { CheckpointReader } from '@graft/checkpoint';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture } from '../../golden/reference';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const FAMILIES = ['gemma3-tiny', 't5gemma2-tiny', 'llama-tiny', 'llama-tiny-untied', 'qwen3-tiny'];
const PORTABLE = ['--engine', 'portable'];

const CONFIG = `
name: tune
seed: 1
initializer: { use: load, path: PATH }
objective: { use: OBJECTIVE }
dataset: { use: text, files: a.txt, tokenizer: { use: bytes, vocabularySize: 300 }, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.001, weightDecay: 0.1 }
schedule: { use: constant }
train: { steps: STEPS, batchSize: 2, checkpointEvery: 1, keepCheckpoints: 2, loader: { threads: 0 } }
engine: { mode: portable }
`;

/** Every tensor's bytes, by name. */
async function bytesOf(folder: string): Promise<Record<string, string>> {
  const reader = await CheckpointReader.open(folder);
  const all: Record<string, string> = {};
  for (const name of reader.tensors.keys()) all[name] = Buffer.from(await reader.readBytes(name)).toString('base64');
  await reader.close();
  return all;
}

test.each(FAMILIES)('%s is inspected, computes, generates, embeds, trains, resumes and is averaged', async (name) => {
  const cwd = temporaryFolder();
  const model = fixture(name)!;
  const isPair = name.startsWith('t5');
  writeFileSync(join(cwd, 'a.txt'), 'a text of some length, again and again. '.repeat(20));

  const { stdout: shown } = await graftSucceeds(['inspect', model], cwd);
  expect(shown).toMatch(isPair ? /T5Gemma 2: .*merged cross-attention/ : /(Gemma 3|Llama|Qwen 3): norms in front/);
  expect(shown).not.toMatch(/Ignored tensors|Not to be opened/);

  const bytes = ['--tokenizer', 'bytes', ...PORTABLE];
  const prompt = ['--prompt', 'abc', '--max-new-tokens', '4', ...bytes];
  await graftSucceeds(['generate', '--model', model, ...prompt], cwd);
  await graftSucceeds(['generate', '--model', model, ...prompt, '--beams', '2'], cwd);
  await graftSucceeds(['embed', '--model', model, '--texts', 'a.txt', '--output', 'vectors', ...bytes], cwd);
  const inputs = join(model, 'expected.safetensors');
  await graftSucceeds(['forward', '--model', model, '--inputs', inputs, '--output', 'logits', ...PORTABLE], cwd);

  const config = (steps: number): string =>
    CONFIG.replace('PATH', model)
      .replace('OBJECTIVE', isPair ? 'prefix-lm' : 'causal-lm')
      .replace('STEPS', String(steps));
  writeFileSync(join(cwd, 'tune.yaml'), config(1));
  await graftSucceeds(['run', 'tune.yaml'], cwd);
  // Behind its first checkpoint, which keeps everything by itself.
  writeFileSync(join(cwd, 'tune.yaml'), config(2));
  const { stdout } = await graftSucceeds(['run', 'tune.yaml', '--resume'], cwd);
  const run = stdout.trim().split('\n').at(-1)!;
  const [first, second] = readdirSync(join(run, 'checkpoints')).map((step) => join(run, 'checkpoints', step));
  const [before, trained] = [await bytesOf(model), await bytesOf(second)];
  if (isPair) {
    const vision = Object.keys(before).filter((tensor) => /vision_tower|multi_modal/.test(tensor));
    expect(vision.length).toBe(23);
    for (const tensor of vision) expect(trained[tensor]).toBe(before[tensor]);
  }
  expect(Object.keys(trained).sort()).toEqual(Object.keys(before).sort());

  await graftSucceeds(['average', first, second, '--out', 'mean'], cwd);
  const { stdout: mean } = await graftSucceeds(['inspect', 'mean'], cwd);
  expect(mean).not.toMatch(/Ignored tensors|Not to be opened/);
  await graftSucceeds(['generate', '--model', 'mean', ...prompt], cwd);
});

test('a run that adapts two families is checked dry, trains, says how it began, and takes a difference later', async () => {
  const cwd = temporaryFolder();
  const [encoder, decoder] = ['llama-tiny', 'qwen3-tiny'].map((name) => fixture(name)!);
  writeFileSync(join(cwd, 'a.txt'), 'a text of some length, again and again. '.repeat(20));
  const adapt = `{ use: adapt, encoder: ${encoder}, decoder: ${decoder} }`;
  const config = CONFIG.replace('{ use: load, path: PATH }', adapt)
    .replace('OBJECTIVE', 'prefix-lm')
    .replace('STEPS', '1');
  writeFileSync(join(cwd, 'tune.yaml'), config);
  const dry = await graftSucceeds(['run', 'tune.yaml', '--dry-run'], cwd);
  expect(dry.stdout + dry.stderr).toMatch(/130,336 parameters/);
  const { stdout } = await graftSucceeds(['run', 'tune.yaml'], cwd);
  const model = join(stdout.trim().split('\n').at(-1)!, 'checkpoints', 'step-1');
  const { adapted } = JSON.parse(readFileSync(join(model, 'graft.json'), 'utf8')) as { adapted: object };
  expect(adapted).toMatchObject({ encoder, decoder, crossAttention: { asked: 'auto', is: 'random', norms: 'copied' } });
  const { stdout: shown } = await graftSucceeds(['inspect', model], cwd);
  expect(shown).toMatch(/encoder: layers of Llama; .*\ndecoder: layers of Qwen 3; .*separate cross-attention/);
  const prompt = ['--prompt', 'abc', '--max-new-tokens', '4', '--beams', '2', '--tokenizer', 'bytes', ...PORTABLE];
  await graftSucceeds(['generate', '--model', model, ...prompt], cwd);
  await graftSucceeds(['export', '--encoder', model, '--out', 'encoder'], cwd);
  await graftSucceeds(
    ['embed', '--model', 'encoder', '--texts', 'a.txt', '--output', 'v', '--tokenizer', 'bytes', ...PORTABLE],
    cwd,
  );
  // The same checkpoint as base and tuned one: nothing changes, cross-attention's random numbers included.
  const sides = ['--encoder', encoder, '--decoder', decoder];
  const delta = ['--to', model, '--delta', encoder, '--decoder-delta', decoder];
  await graftSucceeds(['adapt', ...sides, ...delta, '--out', 'added'], cwd);
  expect(await bytesOf(join(cwd, 'added'))).toEqual(await bytesOf(model));
});

test('a run that preserves the function of its source turns into the own form of the pair, also when it is resumed', async () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'a.txt'), 'a text of some length, again and again. '.repeat(20));
  const adapt = `{ use: adapt, encoder: ${fixture('qwen3-tiny')!}, preserveFunction: { steps: 2 } }`;
  const config = (name: string, steps: number): string =>
    CONFIG.replace('{ use: load, path: PATH }', adapt)
      .replace('name: tune', `name: ${name}`)
      .replace('OBJECTIVE', 'prefix-lm')
      .replace('STEPS', String(steps))
      .replace('keepCheckpoints: 2', 'keepCheckpoints: 3');
  const lossesOf = (run: string): unknown[] =>
    readFileSync(join(cwd, 'runs', run, 'latest', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { loss: number }).loss);
  writeFileSync(join(cwd, 'a.yaml'), config('straight', 3));
  await graftSucceeds(['run', 'a.yaml'], cwd);
  for (const steps of [1, 3]) {
    writeFileSync(join(cwd, 'b.yaml'), config('resumed', steps));
    await graftSucceeds(['run', 'b.yaml', ...(steps > 1 ? ['--resume'] : [])], cwd);
  }
  expect(lossesOf('resumed')).toEqual(lossesOf('straight'));
  const checkpoints = join(cwd, 'runs', 'straight', 'latest', 'checkpoints');
  const forms = [1, 2, 3].map((step) => {
    const json = readFileSync(join(checkpoints, `step-${step}`, 'config.json'), 'utf8');
    return (JSON.parse(json) as { function_preserving?: object }).function_preserving;
  });
  expect(forms).toEqual([{ done: 1, steps: 2 }, undefined, undefined]);
  const { stdout } = await graftSucceeds(['inspect', join(checkpoints, 'step-1')], cwd);
  expect(stdout).toContain('The pair is 1 of 2 steps on its way');
});

test('an encoder-decoder is not adapted again, and a form that widths forbid is refused with both', async () => {
  const cwd = temporaryFolder();
  const [pair, encoder, decoder] = ['t5gemma2-tiny', 'llama-tiny', 'qwen3-tiny'].map((name) => fixture(name)!);
  const again = await graft(['adapt', '--encoder', pair, '--out', 'never'], cwd);
  expect([again.status, again.stderr]).toEqual([
    2,
    expect.stringMatching(/holds an encoder-decoder already; adapting takes decoder-only checkpoints/),
  ]);
  const sides = ['--encoder', encoder, '--decoder', decoder];
  const merged = await graft(['adapt', ...sides, '--cross-attention-form', 'merged', '--out', 'never'], cwd);
  expect([merged.status, merged.stderr]).toEqual([
    2,
    expect.stringMatching(/the encoder's hidden size is 48, the decoder's 40.*crossAttentionForm separate/s),
  ]);
});
