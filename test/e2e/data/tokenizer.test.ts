import { gzipSync } from 'node:zlib';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { temporaryFolder } from '../../support';
import { readJson, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const SUBJECTS = ['a quick fox', 'the lazy dog', 'an old tree', 'some other bird'];
const VERBS = ['jumps over', 'sleeps under', 'looks at', 'sings to'];
const lines = Array.from(
  { length: 600 },
  (_, i) => `${SUBJECTS[i % 4]} ${VERBS[(i >> 2) % 4]} ${SUBJECTS[(i >> 4) % 4]}, day ${i}: naïve!`,
);

describe('graft tokenizer', () => {
  beforeAll(async () => {
    write(join(folder, 'texts', 'a.txt'), lines.slice(0, 400).join('\n'));
    write(join(folder, 'texts', 'b.txt.gz'), gzipSync(lines.slice(400).join('\n')));
    const { stdout, stderr } = await graftSucceeds(
      ['tokenizer', 'train', '--input', 'texts/*', '--vocabulary', '380', '--unused', '8', '--out', 'tokens'],
      folder,
    );
    expect(stdout).toBe(`${join(folder, 'tokens')}\n`);
    expect(stderr).toMatch(
      /^2 files, [\d.]+ kB, \d+ different words: 380 tokens, of them \d+ characters and \d+ merges\.$/m,
    );
  });

  it('encode prints the tokens of a text, and decode the text of tokens', async () => {
    const text = 'a lazy  dog,\n12<end_of_turn>é';
    const { stdout, stderr } = await graftSucceeds(['tokenizer', 'encode', 'tokens', text], folder);
    const pieces = stdout
      .trimEnd()
      .split('\n')
      .slice(2)
      .map((line) => JSON.parse(line.trim().split(/ +/)[1]) as string);
    expect(pieces).toEqual(['a', '▁lazy', '▁', '▁dog', ',', '\n', '1', '2', '<end_of_turn>', '<0xC3>', '<0xA9>']);
    expect(stderr).toBe('11 tokens for 30 bytes, 2.73 bytes a token.\n');

    const file = write(join(folder, 'said.txt'), text);
    const ids = (await graftSucceeds(['tokenizer', 'encode', 'tokens', '--file', file, '--ids', '--quiet'], folder))
      .stdout;
    expect((await graftSucceeds(['tokenizer', 'decode', 'tokens', ...ids.trim().split(' ')], folder)).stdout).toBe(
      `${text}\n`,
    );
    expect((await graftSucceeds(['tokenizer', 'encode', 'bytes', 'é', '--ids'], folder)).stdout).toBe('198 172\n');
  });

  it('audit reports which tokens text can give', async () => {
    const audit = async (...args: string[]): Promise<string> =>
      (await graftSucceeds(['tokenizer', 'audit', 'tokens', ...args], folder)).stdout;
    expect(await audit()).toMatch(/^unused token +by its own spelling only +8 +\d+ "<unused0>", /m);
    const { tokens } = JSON.parse(await audit('--sentinels', '--json')) as { tokens: { id: number; token: string }[] };
    expect(tokens.map(({ token }) => token)).toEqual(Array.from({ length: 8 }, (_, i) => `<unused${i}>`));
    const [{ id }] = tokens;
    expect(await audit('--sentinels')).toMatch(
      new RegExp(`^${id}\\.\\.${id + 7} +<unused0>\\.\\.<unused7> +8 +by their own spelling only$`, 'm'),
    );
    const single = await audit('--ids', '<unused3>', `${id}..${id + 1}`, '▁lazy');
    expect(single).toMatch(new RegExp(`^ *${id + 3} +"<unused3>" +unused token +by its own spelling only`, 'm'));
    expect(single.trimEnd().split('\n')).toHaveLength(2 + 4);
    expect(single).toMatch(/"▁lazy" +piece of text +yes +" lazy"$/m);
    const wrong = await graft(['tokenizer', 'audit', 'tokens', '--ids', '380'], folder);
    expect(wrong).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/"380" is not a token.*0 to 379/) as unknown,
    });
  });

  it('a run trains with a trained tokenizer and saves it with the model', async () => {
    const config = write(
      join(folder, 'run.yaml'),
      `name: trained
model:
  kind: decoder-only
  vocabularySize: 380
  decoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2, keyValueHeads: 1, headDim: 8, slidingWindow: 16 }
initializer: { use: scratch }
objective: { use: causal-lm }
dataset: { use: text, files: texts/a.txt, tokenizer: { use: huggingface, path: tokens }, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 2, batchSize: 2, precision: float32 }
`,
    );
    const run = runFolderOf(await graftSucceeds(['run', config], folder));
    expect(existsSync(join(run, 'checkpoints', 'step-2', 'model.safetensors'))).toBe(true);
    expect(readJson<{ status: string }>(join(run, 'run.json')).status).toBe('finished');
    // The tokenizer stands beside the weights, and need not be named.
    const model = join(run, 'checkpoints', 'step-2');
    await graftSucceeds(['generate', '--model', model, '--prompt', 'a lazy', '--max-new-tokens', '2'], folder);
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'no text to train on',
      ['train', '--input', 'texts/*.md', '--vocabulary', '400', '--out', 'x'],
      2,
      /No file matches .*\.md/,
    ],
    [
      'too small a vocabulary',
      ['train', '--input', 'texts/*', '--vocabulary', '265', '--out', 'x'],
      2,
      /265 tokens is too small: 9 special tokens, 256 bytes and the space are 266\./,
    ],
    [
      'a folder that exists',
      ['train', '--input', 'texts/*', '--vocabulary', '400', '--out', 'tokens'],
      2,
      /tokens exists already\./,
    ],
    ['no text to encode', ['encode', 'tokens'], 2, /Give either a text or --file\./],
    [
      'an id outside of the vocabulary',
      ['decode', 'tokens', '17', '380'],
      2,
      /"380" is not a token of tokens; expected ids from 0 to 379/,
    ],
    [
      'no tokenizer',
      ['encode', 'nowhere', 'x'],
      2,
      /There is no tokenizer "nowhere", and no file or folder of that name\. Known are bytes/,
    ],
  ])('the command is refused with a sentence: %s', async (_, args, expected, message) => {
    const { status, stdout, stderr } = await graft(['tokenizer', ...args], folder);
    expect({ status, stdout }).toEqual({ status: expected, stdout: '' });
    expect(stderr).toMatch(/^graft: /);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});
