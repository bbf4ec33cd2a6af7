import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { tokenizerJson } from '../../../test-support/tokenizer-json';
import { Bpe } from './bpe';
import type { Part } from './unsupported';

const vocab = { a: 0, b: 1, c: 2, ab: 3, abc: 4, '<unk>': 5 };

it.each([
  [['a b', 'ab c']],
  [
    [
      ['a', 'b'],
      ['ab', 'c'],
    ],
  ],
  [['#version: 0.2', 'a b', 'ab c']],
])('pairs are merged by rank, in every form of merges: %j', (merges) => {
  expect(new Bpe({ vocab, merges }).encode('abcab')).toEqual([4, 3]);
});

it('short and long words get the tokens of the Node library', () => {
  const alphabet = ['a', 'b', 'é'];
  const merge = fc.tuple(fc.nat(20), fc.nat(20));
  const word = (size: object): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...alphabet, '漢', '😀'), minLength: 1, ...size });
  const words = fc.array(fc.oneof(word({ maxLength: 20 }), word({ minLength: 90, maxLength: 200 })), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(merge, { maxLength: 12 }), words, (pairs, some) => {
      const json = tokenizerJson() as { model: Part & { vocab: Record<string, number>; merges: string[] } };
      const { model } = json;
      model.vocab['é'] = Object.keys(model.vocab).length;
      // From existing tokens; some results of several merges, but no merge twice.
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
      const bpe = new Bpe(model);
      for (const one of some) expect(bpe.encode(one)).toEqual(library.encode(one, { add_special_tokens: false }).ids);
    }),
    { numRuns: 200 },
  );
});

it('equal merges are applied from the left in a long word', () => {
  const row = new Bpe({ vocab: { a: 0, aa: 1, aaaa: 2 }, merges: ['a a', 'aa aa'] });
  expect(row.encode('a'.repeat(1003))).toEqual([...Array<number>(250).fill(2), 1, 0]);
});

describe('unknown characters', () => {
  const merges = ['a b'];
  it('unknown characters become the unknown token, one each or one for several', () => {
    expect(new Bpe({ vocab, merges, unk_token: '<unk>' }).encode('a??b')).toEqual([0, 5, 5, 1]);
    expect(new Bpe({ vocab, merges, unk_token: '<unk>', fuse_unk: true }).encode('a??b')).toEqual([0, 5, 1]);
    expect(new Bpe({ vocab, merges }).encode('a??b')).toEqual([3]);
  });

  it('unknown characters become bytes if all of their bytes are in the vocabulary', () => {
    const bytes = { ...vocab, '<0xC3>': 6, '<0xA9>': 7 };
    const bpe = new Bpe({ vocab: bytes, merges, unk_token: '<unk>', byte_fallback: true });
    expect(bpe.encode('aéè')).toEqual([0, 6, 7, 5]);
  });
});

it('prefixes, suffixes and whole words are looked up as configured', () => {
  const marked = { a: 0, '##b': 1, 'a##b': 2, ab: 3, 'b</w>': 4, 'ab</w>': 5 };
  expect(new Bpe({ vocab: marked, merges: ['a ##b'], continuing_subword_prefix: '##' }).encode('ab')).toEqual([3]);
  expect(new Bpe({ vocab: marked, merges: ['a b</w>'], end_of_word_suffix: '</w>' }).encode('ab')).toEqual([5]);
  expect(new Bpe({ vocab, merges: [], ignore_merges: true }).encode('abc')).toEqual([4]);
});

it.each<[object, string]>([
  [{ merges: ['a nowhere'] }, '"nowhere", which is not in the vocabulary'],
  [{ merges: ['a b c'] }, 'a merge should be two tokens, found "a b c"'],
  [{ dropout: 0.1 }, 'draws tokens at random'],
  [{ unk_token: '<no>' }, 'its unk_token "<no>" is not in the vocabulary'],
])('the options %j are refused', (more, message) => {
  expect(() => new Bpe({ vocab, merges: [], ...more })).toThrow(message);
});
