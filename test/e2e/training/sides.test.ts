/** A model whose encoder and decoder have a tokenizer each, from the config to the saved folder. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { readJson, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const SUBJECTS = ['a quick fox', 'the lazy dog', 'an old tree', 'some naïve bird'];
const lines = Array.from({ length: 200 }, (_, i) => `${SUBJECTS[i % 4]} sees ${SUBJECTS[(i >> 2) % 4]}, day ${i} 🦙`);
const tokenizer = { encoder: { use: 'huggingface', path: 'read' }, decoder: { use: 'huggingface', path: 'written' } };
const side = { layers: 1, hidden: 16, feedForward: 32, heads: 2 };
const config = {
  name: 'sides',
  engine: 'portable',
  model: {
    family: 'graft',
    encoder: { family: 'gemma2', ...side, vocabularySize: 360 },
    decoder: { family: 'llama', ...side, hidden: 24, vocabularySize: 340, padTokenId: 0, bosTokenId: 2, eosTokenId: 1 },
  },
  initializer: 'scratch',
  dataset: { use: 'text', files: 'texts.txt', tokenizer, lengthTokens: 24 },
  objective: 'prefix-lm',
  optimizer: { use: 'adamw', learningRate: 1e-3 },
  // Only the first run of this file has a thread for its data, which takes a second to start.
  train: { steps: 2, batchSize: 2, checkpointEvery: 2, keepCheckpoints: 3, loader: { threads: 0 } },
  evaluators: [
    { use: 'loss', every: 2, batches: 1, dataset: { use: 'text', files: 'texts.txt', tokenizer, lengthTokens: 24 } },
  ],
};
const run = async (...args: string[]): Promise<string> =>
  runFolderOf(await graftSucceeds(['run', 'config.json', ...args], folder));
const set = (key: string, value: unknown): string[] => ['--set', `${key}=${JSON.stringify(value)}`];

let trained: string;
beforeAll(async () => {
  write(join(folder, 'texts.txt'), lines.join('\n'));
  write(join(folder, 'config.json'), JSON.stringify(config));
  for (const [out, vocabulary] of [
    ['read', 360],
    ['written', 340],
  ] as const)
    await graftSucceeds(
      ['tokenizer', 'train', '--input', 'texts.txt', '--vocabulary', `${vocabulary}`, '--unused', '12', '--out', out],
      folder,
    );
  trained = await run(...set('train.loader.threads', 1));
});

const checkpointOf = (path: string, step: number): string => join(path, 'checkpoints', `step-${step}`);

it('a checkpoint keeps both tokenizers, and inspect tells of both', async () => {
  const checkpoint = checkpointOf(trained, 2);
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    expect(readFileSync(join(checkpoint, file))).toEqual(readFileSync(join(folder, 'written', file)));
    expect(readFileSync(join(checkpoint, 'encoder_tokenizer', file))).toEqual(readFileSync(join(folder, 'read', file)));
  }
  const { stdout } = await graftSucceeds(['inspect', checkpoint], folder);
  expect(stdout).toContain('config: encoder-decoder, vocabulary 340, pad 0, start 2, eos 1');
  expect(stdout).toContain('encoder reads: vocabulary 360, pad 0, start 2, eos 1');
  expect(stdout).toMatch(/^Tokenizer of the decoder: \S+step-2\/tokenizer\.json, 340 tokens$/m);
  expect(stdout).toMatch(/^Tokenizer of the encoder: \S+encoder_tokenizer\/tokenizer\.json, 360 tokens$/m);
  expect(stdout).not.toContain('Ignored files');
});

it('commands read by the encoder’s tokenizer and write by the decoder’s', async () => {
  const checkpoint = checkpointOf(trained, 2);
  const prompt = 'the lazy dog';
  const generate = async (...args: string[]): Promise<string> =>
    (
      await graftSucceeds(
        [
          'generate',
          '--model',
          checkpoint,
          '--engine',
          'portable',
          '--max-new-tokens',
          '12',
          '--sample',
          '--top-k',
          '0',
          ...args,
        ],
        folder,
      )
    ).stdout;
  const text = await generate('--prompt', prompt);
  expect(text.trim()).not.toBe('');
  const named = ['--tokenizer', 'written', '--encoder-tokenizer', 'read'];
  expect(await generate('--prompt', prompt, ...named)).toBe(text);
  // The same input and output as ids.
  const { stdout } = await graftSucceeds(['tokenizer', 'encode', 'read', prompt, '--ids', '--quiet'], folder);
  const values = Int32Array.from(stdout.trim().split(' ').map(Number));
  const { writeHostTensors } = await import('@graft/checkpoint');
  const inputs = join(folder, 'inputs.safetensors');
  await writeHostTensors(inputs, { input_ids: { dtype: 'int32', shape: [1, values.length], values } });
  const ids = (await generate('--inputs', inputs)).trim().split(' ').slice(1);
  const decoded = await graftSucceeds(['tokenizer', 'decode', 'written', ...ids, '--quiet'], folder);
  expect(decoded.stdout.replace(/<\w+>/g, '')).toBe(text);

  const wrong = await graft(
    [
      'generate',
      '--model',
      checkpoint,
      '--prompt',
      prompt,
      '--encoder-tokenizer',
      'written',
      '--tokenizer',
      'read',
      '--engine',
      'portable',
    ],
    folder,
  );
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toContain(
    "The texts: the decoder's tokenizer makes 360 different tokens of text, but the decoder's vocabulary has 340.",
  );

  write(join(folder, 'lines.txt'), `${prompt}\nan old tree\n`);
  await graftSucceeds(
    ['embed', '--model', checkpoint, '--texts', 'lines.txt', '--output', 'vectors.safetensors', '--engine', 'portable'],
    folder,
  );
  expect(existsSync(join(folder, 'vectors.safetensors'))).toBe(true);
});

it('a resumed run continues with both, from its own checkpoint even if the data name none', async () => {
  const whole = await run(...set('train.steps', 4));
  const dataset = { tokenizer: { use: 'checkpoint' } };
  const begun = await run(...set('train.steps', 2));
  await graftSucceeds(['run', 'config.json', '--resume', begun.split('/').pop()!, ...set('train.steps', 4)], folder);
  const losses = (path: string): unknown[] =>
    readFileSync(join(path, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { loss: number }).loss);
  expect(losses(begun)).toEqual(losses(whole));
  expect(readFileSync(join(checkpointOf(begun, 4), 'encoder_tokenizer', 'tokenizer.json'))).toEqual(
    readFileSync(join(folder, 'read', 'tokenizer.json')),
  );
  // Another run from that folder takes its tokenizers.
  const model = { initializer: { use: 'load', path: checkpointOf(begun, 4) }, ...dataset };
  const again = await run(
    ...set('initializer', model.initializer),
    ...set('dataset.tokenizer', dataset.tokenizer),
    ...set('evaluators', []),
    ...set('model', { use: 'gemma' }),
  );
  const { dataset: resolved } = readJson(join(again, 'config.json')) as { dataset: { tokenizer: unknown } };
  expect(resolved.tokenizer).toEqual({ use: 'checkpoint' });
  expect(existsSync(join(checkpointOf(again, 2), 'encoder_tokenizer', 'tokenizer.json'))).toBe(true);
});

it('UL2 has sentinels on both sides, and one tokenizer for two vocabularies is refused', async () => {
  const ul2 = await run(...set('objective', { use: 'ul2', preset: 't5gemma2' }), ...set('evaluators', []));
  const { ul2: record } = readJson(join(checkpointOf(ul2, 2), 'graft.json')) as {
    ul2: { sentinels: number[][]; encoderSentinels: number[][] };
  };
  expect(record.encoderSentinels).toEqual(record.sentinels);

  const one = await graft(['run', 'config.json', ...set('dataset.tokenizer', tokenizer.encoder)], folder);
  expect(one.status).toBe(2);
  expect(one.stderr).toContain(
    "The data have one tokenizer, of 360 tokens, but the encoder's vocabulary has 360 and the decoder's 340.",
  );
  expect(one.stderr).toContain('tokenizer: { encoder: { … }, decoder: { … } }');
  const lost = await graft(
    ['run', 'config.json', ...set('dataset.tokenizer', { encoder: 'bytes', decodr: 'x' })],
    folder,
  );
  expect(lost.stderr).toContain('dataset.tokenizer.decodr: unknown key; did you mean "decoder"?');
  rmSync(join(folder, 'lines.txt'));
});
