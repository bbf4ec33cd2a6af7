import { DataError } from '@graft/core';
import { Tokenizer as TokenizerJson } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith } from '../test-support/datasets';
import { tokenizerJson } from '../test-support/tokenizer-json';
import { HuggingFaceTokenizer } from './huggingface';

const json = JSON.stringify;
const folder = folderWith({ 'tokenizer.json': json(tokenizerJson()) });

describe('HuggingFaceTokenizer', () => {
  it('merges, and finds its special tokens by name', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const { vocab } = (tokenizerJson() as { model: { vocab: Record<string, number> } }).model;
    expect(Array.from(tokenizer.encode('in the and'))).toEqual(['in', '▁the', '▁and'].map((token) => vocab[token]));
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId]).toEqual([0, 1, 2]);
    expect(tokenizer.vocabularySize).toBe(Object.keys(vocab).length);
  });

  it('falls back to bytes', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: join(folder, 'tokenizer.json') });
    expect(Array.from(tokenizer.encode('aé'))).toEqual([tokenizer.encode('a')[0], 4 + 0xc3, 4 + 0xa9]);
    expect(tokenizer.decode([4 + 0xc3, 4 + 0xa9])).toBe('é');
  });

  it('gives back any text, spaces before full stops included', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    expect(tokenizer.decode(tokenizer.encode(' the  end .\n\n you  '))).toBe(' the  end .\n\n you  ');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (text) => {
        // The normalizer makes this character of every space; there is no way back from it.
        fc.pre(!text.includes('▁'));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the very tokens of the library, though it cuts the text at spaces', async () => {
    const pieces = fc.array(fc.constantFrom(' ', '  ', 'the', 'and', 'th', 'in', 'x', '\n', '.', 'é', '<eos>', '▁'), {
      maxLength: 25,
    });
    const compare = async (merge?: string): Promise<void> => {
      const file = tokenizerJson(undefined, merge);
      const ours = await HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': json(file) }) });
      const library = new TokenizerJson(file, {});
      fc.assert(
        fc.property(pieces, (parts) => {
          const text = parts.join('');
          expect(Array.from(ours.encode(text))).toEqual(
            text === '' ? [] : library.encode(text, { add_special_tokens: false }).ids,
          );
        }),
        { numRuns: 200, examples: [[['x', ' ', 'the', ' ', 'and']]] },
      );
    };
    await compare();
    // A merge over the beginning of a space, which a cut there would lose.
    await compare('x ▁the');
  });

  it('decodes without special tokens unless told otherwise, and without unknown ids', async () => {
    const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
    const ids = [2, ...tokenizer.encode('and'), 1, 0, 99999, -100];
    expect(tokenizer.decode(ids)).toBe('and');
    expect(tokenizer.decode(ids, { keepSpecial: true })).toBe('<bos>and<eos><pad>');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.encode('').length).toBe(0);
  });

  it('takes special tokens from tokenizer_config.json, and from the options before that', async () => {
    const configured = folderWith({
      'tokenizer.json': json(tokenizerJson(['[P]', '[E]', '[B]', '[U]'])),
      'tokenizer_config.json': json({ pad_token: '[P]', eos_token: { content: '[E]' }, bos_token: '[B]' }),
    });
    const tokenizer = await HuggingFaceTokenizer.open({ path: configured });
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId]).toEqual([0, 1, 2]);
    expect((await HuggingFaceTokenizer.open({ path: configured, padToken: '[U]' })).padId).toBe(3);
  });

  it.each<[string, Record<string, string>, string]>([
    ['an empty folder', {}, 'holds no tokenizer.json'],
    ['half a file', { 'tokenizer.json': '{"model":' }, 'tokenizer.json is no valid JSON file'],
    ['a list', { 'tokenizer.json': '[]' }, 'it holds no object'],
    [
      'another model',
      { 'tokenizer.json': json({ ...tokenizerJson(), model: { type: 'Rules' } }) },
      'Unknown TokenizerModel type: Rules',
    ],
    [
      'no padding token',
      { 'tokenizer.json': json(tokenizerJson(['<p>', '<eos>', '<bos>', '<unk>'])) },
      'has no pad token: "<pad>" is not in its vocabulary',
    ],
  ])('names what is wrong with %s', async (_, files, message) => {
    const path = folderWith(files);
    await expect(HuggingFaceTokenizer.open({ path })).rejects.toThrow(DataError);
    await expect(HuggingFaceTokenizer.open({ path })).rejects.toThrow(message);
  });

  it('names a path that does not exist', async () => {
    await expect(HuggingFaceTokenizer.open({ path: join(folder, 'nowhere') })).rejects.toThrow(
      `There is no tokenizer at ${join(folder, 'nowhere')}.`,
    );
  });
});
