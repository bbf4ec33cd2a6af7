/** Every command on a published model of each family. */
import { CheckpointReader } from '@graft/checkpoint';
import { readdirSync, writeFileSync } from 'node:fs';
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
train: { steps: STEPS, batchSize: 2, checkpointEvery: 1, keepCheckpoints: 2 }
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

test('adapting takes Gemma 2 alone, and says what it was given', async () => {
  const { status, stderr } = await graft(
    ['adapt', '--encoder', fixture('llama-tiny')!, '--out', 'x'],
    temporaryFolder(),
  );
  expect(status).toBe(2);
  expect(stderr).toContain('Llama');
});
