import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { tokenizerJson } from '../test-support/tokenizer-json';
import { byteIds, createWordBpe, type BpeModel } from './word-bpe';

const idOf =
  ({ vocab }: BpeModel) =>
  (token: string): number | undefined =>
    vocab![token];

it('gives the docstring example, in either dialect of merges', () => {
  const vocab = { a: 0, b: 1, c: 2, ab: 3, abc: 4 };
  for (const merges of [
    ['a b', 'ab c'],
    [
      ['a', 'b'],
      ['ab', 'c'],
    ],
  ]) {
    const model: BpeModel = { type: 'BPE', vocab, merges };
    expect(createWordBpe(model, idOf(model))!('abcab')).toEqual([4, 3]);
  }
});

it('gives what the library gives', () => {
  const alphabet = ['a', 'b', 'é'];
  const merge = fc.tuple(fc.nat(20), fc.nat(20));
  const word = fc.string({ unit: fc.constantFrom(...alphabet, '漢', '😀'), minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(merge, { maxLength: 12 }), fc.array(word, { maxLength: 8 }), (pairs, words) => {
      const json = tokenizerJson() as { model: BpeModel & { vocab: Record<string, number>; merges: string[] } };
      const { model } = json;
      model.vocab['é'] = Object.keys(model.vocab).length;
      // Of tokens that are there, one of them made by several merges now and then, never one twice.
      const tokens = [...alphabet];
      model.merges = [];
      for (const [i, j] of pairs) {
        const [left, right] = [tokens[i % tokens.length], tokens[j % tokens.length]];
        if (model.merges.includes(`${left} ${right}`)) continue;
        model.merges.push(`${left} ${right}`);
        model.vocab[left + right] ??= Object.keys(model.vocab).length;
        tokens.push(left + right);
      }
      const library = new Tokenizer({ ...json, pre_tokenizer: null }, {});
      const encode = createWordBpe(model, idOf(model))!;
      for (const one of words) expect(encode(one)).toEqual(library.encode(one, { add_special_tokens: false }).ids);
    }),
    { numRuns: 300 },
  );
});

it('leaves to the library what is more than plain merging', () => {
  const { model } = tokenizerJson() as { model: BpeModel };
  const encode = createWordBpe(model, idOf(model))!;
  expect(encode('')).toEqual([]);
  expect(encode('a'.repeat(129))).toBeUndefined();
  const noBytes = { ...model, byte_fallback: false };
  expect(createWordBpe(noBytes, idOf(model))!('aé')).toBeUndefined();
  expect(byteIds(noBytes)).toBeUndefined();
  for (const more of [{ ignore_merges: true }, { end_of_word_suffix: '</w>' }, { merges: ['a nowhere'] }])
    expect(createWordBpe({ ...model, ...more }, idOf(model))).toBeUndefined();
});
