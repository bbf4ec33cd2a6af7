import type { Tokenizer } from '@graft/core';
import fc from 'fast-check';
import { encodeExamples, type EncodeOptions } from './encode-examples';
import type { ClassificationExample } from './tasks';

/** A token a character. */
const tokenizer: Tokenizer = {
  vocabularySize: 70_000,
  padId: 0,
  bosId: 2,
  eosId: 1,
  encode: (text) => Int32Array.from(text, (_, i) => text.charCodeAt(i) + 3),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id - 3)),
};
const options: EncodeOptions = { maxTokens: 30, longInputs: 'shorten', prependBos: false, appendEos: true };
const example = (before: string, long: string, after: string): ClassificationExample => ({
  id: '7/1',
  parts: [{ text: before }, { text: long, shortenable: true }, { text: after }],
});
const encode = (one: ClassificationExample, changes: Partial<EncodeOptions> = {}) =>
  encodeExamples([one], tokenizer, { ...options, ...changes }, 'val.jsonl');

test('what fits stays as it is, between the special tokens that are asked for', () => {
  const { encoded, shortened } = encode(example('q: ', 'a b', ' end'), { prependBos: true });
  expect(shortened).toBe(0);
  expect([encoded[0].tokens[0], encoded[0].tokens.at(-1)]).toEqual([2, 1]);
  expect(tokenizer.decode(encoded[0].tokens.slice(1, -1))).toBe('q: a b end');
});

const word = fc.stringMatching(/^[a-z]{1,9}$/);

test('a passage loses whole words from its end, no more than it must, and nothing else is lost', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), word, word, (words, before, after) => {
      const passage = words.join(' ');
      const { encoded, shortened } = encode(example(`${before}:`, passage, `?${after}`));
      const { tokens } = encoded[0];
      expect(tokens.length).toBeLessThanOrEqual(options.maxTokens);
      expect(tokens.at(-1)).toBe(tokenizer.eosId);
      const text = tokenizer.decode(tokens.slice(0, -1));
      expect(text.startsWith(`${before}:`) && text.endsWith(`?${after}`)).toBe(true);
      const kept = text.slice(before.length + 1, text.length - after.length - 1);
      const room = options.maxTokens - 1 - before.length - after.length - 2;
      const fitting = words.map((_, i) => words.slice(0, i + 1).join(' ')).filter(({ length }) => length <= room);
      expect(kept).toBe(fitting.at(-1) ?? '');
      expect(shortened).toBe(Number(kept !== passage));
    }),
  );
});

test('an example that does not fit is an error that names the needed length', () => {
  const long = example('q: ', 'a '.repeat(40), ' end');
  expect(() => encode(long, { longInputs: 'error' })).toThrow(
    'val.jsonl: example 7/1 takes 88 tokens, but maxTokens is 30.',
  );
  expect(() => encode(example('q'.repeat(40), 'a b', ''))).toThrow(
    'takes 41 tokens without its passage, but maxTokens is 30.',
  );
  expect(() => encode({ id: '8', parts: [{ text: 'x'.repeat(30) }] })).toThrow('example 8 takes 31 tokens without');
});
