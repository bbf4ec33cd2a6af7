import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { sharedProcess } from '../support/shared-process';

/** A plugin by somebody else: one token for each character of an alphabet, which checkpoints keep in a file. */
const PLUGIN = `
import { defineComponent, definePlugin, pathOption, type Tokenizer } from '@graft/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

function letters(alphabet: string): Tokenizer {
  return {
    ...{ vocabularySize: 259, padId: 0, eosId: 1, bosId: 2 },
    encode: (text) => Int32Array.from([...text].map((letter) => alphabet.indexOf(letter)).filter((at) => at >= 0), (at) => at + 3),
    decode: (ids) => Array.from(ids, (id) => alphabet[id - 3] ?? '').join(''),
    files: async () => ({ 'alphabet.txt': alphabet }),
  };
}

const kept = defineComponent({
  interface: 'tokenizer',
  id: 'letters',
  description: 'characters of an alphabet',
  options: z.strictObject({ path: pathOption().describe('Folder of alphabet.txt.') }),
  useFactory: ({ options }) => letters(readFileSync(join(options.path, 'alphabet.txt'), 'utf8')),
});
const fixed = defineComponent({
  interface: 'tokenizer',
  id: 'lower-case',
  description: 'the letters from a to z',
  options: z.strictObject({ alphabet: z.string().default('abcdefghijklmnopqrstuvwxyz 0123456789') }),
  useFactory: ({ options }) => letters(options.alphabet),
});
const needy = defineComponent({
  interface: 'tokenizer',
  id: 'needy',
  description: 'without a default',
  options: z.strictObject({ alphabet: z.string(), size: z.number() }),
  useFactory: ({ options }) => letters(options.alphabet),
});
export const plugin = definePlugin({ name: 'spelling', components: [kept, fixed, needy] });
`;

describe('a tokenizer of a plugin', () => {
  const { graft, graftSucceeds } = sharedProcess();
  const folder = temporaryFolder();
  const WITH = ['--plugin', './spelling.ts'];
  let checkpoint: string;

  beforeAll(async () => {
    writeFileSync(join(folder, 'spelling.ts'), PLUGIN);
    writeFileSync(join(folder, 'alphabet.txt'), 'abcdefghijklmnopqrstuvwxyz ');
    writeFileSync(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40));
    const config = {
      plugins: ['./spelling.ts'],
      name: 'letters',
      model: { vocabularySize: 259, decoder: { layers: 1, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1 } },
      initializer: 'scratch',
      objective: 'prefix-lm',
      dataset: { use: 'text', files: 'text.txt', tokenizer: { use: 'letters', path: '.' }, lengthTokens: 16 },
      optimizer: { use: 'adamw', learningRate: 0.01 },
      train: { steps: 1, batchSize: 2 },
      engine: { mode: 'portable' },
    };
    writeFileSync(join(folder, 'train.json'), JSON.stringify(config));
    const { stdout } = await graftSucceeds(['run', 'train.json'], folder);
    checkpoint = join(stdout.trim().split('\n').at(-1)!, 'checkpoints', 'step-1');
  });

  it('is kept in the checkpoints of a run, which say whose files they are', () => {
    expect(readFileSync(join(checkpoint, 'alphabet.txt'), 'utf8')).toBe('abcdefghijklmnopqrstuvwxyz ');
    expect(JSON.parse(readFileSync(join(checkpoint, 'graft.json'), 'utf8'))).toMatchObject({
      tokenizer: { use: 'spelling/letters', files: ['alphabet.txt'] },
    });
  });

  it.each([
    ['that the checkpoint keeps, without being named', []],
    ['by its name, with the folder of the model', ['--tokenizer', 'letters']],
    ['by its whole name, with its default options', ['--tokenizer', 'spelling/lower-case']],
  ])('encodes prompts and texts of commands: %s', async (_, chosen) => {
    const options = [...chosen, ...WITH, '--engine', 'portable'];
    const prompt = ['--model', checkpoint, '--prompt', 'the fox', '--max-new-tokens', '3'];
    await graftSucceeds(['generate', ...prompt, ...options], folder);
    const texts = ['--model', checkpoint, '--texts', 'text.txt', '--output', 'vectors.safetensors', '--force'];
    await graftSucceeds(['embed', ...texts, ...options], folder);
  });

  it('shows its tokens with graft tokenizer', async () => {
    const encoded = await graftSucceeds(['tokenizer', 'encode', 'lower-case', 'abz', '--ids', ...WITH], folder);
    expect(encoded.stdout.trim()).toBe('3 4 28');
    const decoded = await graftSucceeds(['tokenizer', 'decode', 'lower-case', '3', '4', '28', ...WITH], folder);
    expect(decoded.stdout.trim()).toBe('abz');
  });

  it.each<[string, readonly string[], string]>([
    [
      'an unknown name lists the nearest',
      ['encode', 'lowercase', 'a'],
      'There is no tokenizer "lowercase", and no file or folder of that name. Did you mean "lower-case"? Known are bytes, huggingface, ',
    ],
    [
      'one with options that have no default names them',
      ['encode', 'needy', 'a'],
      'The tokenizer "needy" needs the options "alphabet", "size", which a command cannot give',
    ],
    [
      'one that needs a folder names the option',
      ['encode', 'letters', 'a'],
      'The tokenizer "letters" needs the option "path", which a command cannot give',
    ],
    ['one without pieces cannot be audited', ['audit', 'lower-case'], 'The tokenizer "lower-case" cannot be audited'],
  ])('the error is one of the command line: %s', async (_, command, message) => {
    const { status, stderr } = await graft(['tokenizer', ...command, ...WITH], folder);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('a checkpoint whose plugin is not loaded says which tokenizer it needs', async () => {
    const prompt = ['--model', checkpoint, '--prompt', 'a', '--engine', 'portable'];
    const { status, stderr } = await graft(['generate', ...prompt], folder);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('was trained with the tokenizer "spelling/letters", which no loaded plugin has'),
    ]);
  });
});
