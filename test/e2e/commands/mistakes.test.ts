/** Mistakes of a user: the status is 2, the sentence names the cause, and no step was done. */
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, TINY_MODEL, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const PAIRS = 'source: source, target: target, tokenizer: { use: bytes }';

beforeAll(async () => {
  write(join(folder, 'empty.txt'), '');
  const rows = Array.from({ length: 10 }, (_, i) => JSON.stringify({ source: `hello ${i}`, target: `there ${i}` }));
  write(join(folder, 'rows.jsonl'), rows.join('\n'));
  write(join(folder, 'text.txt'), 'one document of a few words');
  write(
    join(folder, 'run.yaml'),
    `name: toy
engine: portable
${TINY_MODEL}
initializer: { use: scratch }
objective: { use: seq2seq }
dataset: { use: jsonl, files: rows.jsonl, repeat: false, ${PAIRS} }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 2, batchSize: 4, loader: { threads: 0 } }
`,
  );
  await graftSucceeds(['run', 'run.yaml'], folder);
  await graftSucceeds(
    [
      'tokenizer',
      'train',
      '--input',
      join(__dirname, '..', '..', '..', 'README.md'),
      '--vocabulary',
      '400',
      '--out',
      'tokens',
    ],
    folder,
  );
});

const TRAINED = 'runs/toy/latest/checkpoints/step-2';
const ENGINE = ['--engine', 'portable'];
const PROMPT = ['generate', '--model', TRAINED, '--max-new-tokens', '2', ...ENGINE];
const HELD_OUT =
  'evaluators=[{ use: loss, objective: { use: causal-lm }, dataset: { use: text, files: text.txt, tokenizer: { use: bytes }, lengthTokens: 4, repeat: false, split: { holdOut: 0.000001, part: heldOut } } }]';

it.each<[what: string, args: string[], sentence: RegExp]>([
  ['adapting an encoder-decoder', ['adapt', '--encoder', TRAINED, '--out', 'a'], /holds an encoder-decoder already/],
  [
    'a foreign tokenizer',
    [...PROMPT, '--tokenizer', 'tokens', '--prompt', 'abc'],
    /holds token \d+, but the vocabulary has 260 tokens\.\nTake the tokenizer/,
  ],
  ['an empty prompt', [...PROMPT, '--tokenizer', 'bytes', '--prompt', ''], /The text "" gives no token/],
  [
    'an empty text to classify',
    ['classify', '--model', fixture('seqcls-encdec'), '--tokenizer', 'bytes', '--text', '', ...ENGINE],
    /The text "" gives no token/,
  ],
  ['an empty file of tensors', [...PROMPT, '--inputs', 'empty.txt'], /empty\.txt is empty \(0 bytes\)/],
  ['an empty checkpoint', ['inspect', 'empty.txt'], /empty\.txt is empty \(0 bytes\)/],
  [
    'an empty text for a tokenizer',
    ['tokenizer', 'train', '--input', 'empty.txt', '--vocabulary', '300', '--out', 'b'],
    /There is no text in .*empty\.txt/,
  ],
  [
    'an empty data set',
    ['run', 'run.yaml', '--set', 'dataset.files=empty.txt'],
    /No line of .*empty\.txt holds anything/,
  ],
  [
    'an empty held-out part of rows',
    ['run', 'run.yaml', '--set', 'dataset.split={ holdOut: 0.000001, part: heldOut }'],
    /No line of .* belongs to the heldOut part\.\nRaise split\.holdOut \(now 0\.000001\)/,
  ],
  [
    'an empty held-out part of text',
    ['run', 'run.yaml', '--set', HELD_OUT],
    /dataset holds fewer than 4 tokens|evaluator's dataset gave no batch/,
  ],
  [
    'more steps than there are data',
    ['run', 'run.yaml', '--set', 'train.steps=3'],
    /train\.steps 3 with train\.batchSize 4 needs 12 examples, but dataset "jsonl" ends after 10 examples, enough for 2/,
  ],
])('%s', async (_, args, sentence) => {
  const { status, stderr } = await graft(args, folder);
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toMatch(/step 1\//);
  expect(status).toBe(2);
});
