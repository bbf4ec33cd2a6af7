import { readHostTensors } from '@graft/checkpoint';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { fixture, readJson, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const home = temporaryFolder();
const whole = fixture('t5gemma-tiny-balanced');
const alone = join(home, 'alone');

beforeAll(async () => {
  const { stdout, stderr } = await graftSucceeds(['export', '--encoder', whole, '--out', alone], home);
  expect(stdout).toBe(`${alone}\n`);
  expect(stderr).toContain('46 tensors, 181,312 parameters, float32; an encoder alone.');
  write(join(home, 'texts.txt'), 'one\nanother text, a longer one\n');
});

test('an exported encoder gives the embeddings of the encoder-decoder, and forward and inspect accept it', async () => {
  const vectors = async (model: string, name: string): Promise<unknown> => {
    const output = join(home, `${name}.safetensors`);
    const texts = ['--texts', 'texts.txt', '--tokenizer', 'bytes', '--engine', 'graph'];
    await graftSucceeds(['embed', '--model', model, ...texts, '--output', output], home);
    return (await readHostTensors(output)).embeddings;
  };
  expect(await vectors(alone, 'alone')).toEqual(await vectors(whole, 'whole'));
  const output = join(home, 'states.safetensors');
  const inputs = join(whole, 'expected.safetensors');
  await graftSucceeds(['forward', '--model', alone, '--inputs', inputs, '--output', output, '--engine', 'graph'], home);
  expect(Object.keys(await readHostTensors(output))).toEqual(['encoder_last_hidden_state']);
  const inspected = await graftSucceeds(['inspect', alone], home);
  expect(inspected.stdout).toMatch(/^config: encoder-only, vocabulary 512.*\nencoder: 4 layers, hidden 64/m);
});

test.each([
  [['export', '--encoder', whole, '--out', alone], /alone exists already/],
  [['export', '--encoder', alone, '--out', 'other'], /alone holds an encoder alone already/],
  [['export', '--encoder', fixture('gemma2-tiny'), '--out', 'other'], /is decoder-only and has no encoder/],
  [
    ['generate', '--model', alone, '--prompt', 'a', '--tokenizer', 'bytes'],
    /describes an encoder alone, which has no decoder/,
  ],
  [['adapt', '--encoder', alone, '--out', 'other'], /holds an encoder alone; adapting takes decoder-only/],
  [['classify', '--model', alone, '--text', 'a', '--tokenizer', 'bytes'], /holds no classifier/],
])('a command that an exported encoder cannot serve is refused in one sentence (case %#)', async (args, message) => {
  const { status, stderr } = await graft(args, home);
  expect([1, 2]).toContain(status);
  expect(stderr).toMatch(message);
});

const config = (name: string, more: string): string =>
  write(
    join(home, `${name}.yaml`),
    `name: ${name}\nengine: graph\nmodel: gemma\ninitializer: { use: load, path: alone }\nruns: runs\n${more}`,
  );

test('SuperGLUE fine-tunes an exported encoder', async () => {
  await graftSucceeds(['data', 'make', 'superglue', '--out', 'made', '--train-rows', '16', '--val-rows', '8'], home);
  const options =
    '{ use: superglue, folder: made, tokenizer: bytes, tasks: [rte], maxTokens: 96, batchSizes: [8], epochs: 1, learningRates: [0.001], dropouts: [0] }';
  const outcome = await graftSucceeds(['evaluate', config('tuned', `evaluators:\n  - ${options}\n`)], home);
  const [{ metrics }] = readJson<{ metrics: Record<string, number> }[]>(join(runFolderOf(outcome), 'evaluations.json'));
  expect(metrics['rte/accuracy']).toBeGreaterThanOrEqual(0);
});

test('a run trains an exported encoder with an objective that reads states, and other objectives are refused', async () => {
  const { resolve } = createRequire(join(ROOT, 'package.json'));
  write(
    join(home, 'small-states.mjs'),
    `import { createRequire } from 'node:module';
     const require = createRequire(${JSON.stringify(resolve('zod'))});
     const { z } = require('zod');
     const { tf } = createRequire(${JSON.stringify(join(ROOT, 'package.json'))})('@graft/engine');
     const field = (name, rank) => ({ name, dtype: 'int32', rank });
     const objective = {
       modelKind: 'encoder-only', batchFields: [field('input_ids', 2)], inputFields: () => [field('tokens', 1)],
       prepare: ({ examples }) => ({ input_ids: { dtype: 'int32', shape: [examples.length, examples[0].tokens.values.length],
         values: Int32Array.from(examples.flatMap(({ tokens }) => [...tokens.values])) } }),
       loss: (model, parameters, batch) => {
         const value = tf.mean(tf.square(model.forward(parameters, batch).encoderStates));
         return { loss: value, metrics: {} };
       },
     };
     const small = { interface: 'objective', id: 'small-states', description: '', options: z.object({}), useFactory: () => objective };
     export default { name: 'small-states', components: [small] };`,
  );
  write(join(home, 'text.txt'), 'some text to read, again and again. '.repeat(60));
  const train = `plugins: ['./small-states.mjs']
objective: small-states
dataset: { use: text, files: text.txt, tokenizer: bytes, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 6, batchSize: 4, checkpointEvery: 6, logEvery: 1 }
`;
  const file = config('trained', train);
  const outcome = await graftSucceeds(['run', file], home);
  const checkpoint = join(runFolderOf(outcome), 'checkpoints', 'step-6');
  const inspected = await graftSucceeds(['inspect', checkpoint], home);
  expect(inspected.stdout).toContain('config: encoder-only');
  const vectors = join(home, 'trained.safetensors');
  const texts = ['--texts', 'texts.txt', '--tokenizer', 'bytes', '--engine', 'graph'];
  await graftSucceeds(['embed', '--model', checkpoint, ...texts, '--output', vectors], home);
  expect((await readHostTensors(vectors)).embeddings.shape).toEqual([2, 64]);
  for (const objective of ['causal-lm', 'prefix-lm', 'ul2']) {
    const { status, stderr } = await graft(['run', file, '--set', `objective=${objective}`], home);
    expect(status).toBe(2);
    expect(stderr).toMatch(/models, but the model is encoder-only/);
  }
});
