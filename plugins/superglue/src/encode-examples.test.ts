import type { Tokenizer } from '@graft/core';
import fc from 'fast-check';
import { encodeExamples, type EncodeOptions } from './encode-examples';
import type { PlacedExample } from './tasks';

/** One token per character. */
const tokenizer: Tokenizer = {
  vocabularySize: 70_000,
  padId: 0,
  bosId: 2,
  eosId: 1,
  encode: (text) => Int32Array.from(text, (_, i) => text.charCodeAt(i) + 3),
  decode: (ids) => String.fromCharCode(...Array.from(ids, (id) => id - 3)),
};
const options: EncodeOptions = { maxTokens: 30, longInputs: 'shorten', eos: 1 };
const place = { file: 'val.jsonl', line: 12 };
const example = (before: string, long: string, after: string): PlacedExample => ({
  id: '7/1',
  place,
  parts: [{ text: before }, { text: long, shortenable: true }, { text: after }],
});
const encode = (one: PlacedExample, changes: Partial<EncodeOptions> = {}, all = [one]) =>
  encodeExamples([one], tokenizer, { ...options, ...changes }, all);

test('an example that fits is unchanged between the requested special tokens', () => {
  const { encoded, shortened } = encode(example('q: ', 'a b', ' end'), { bos: 2 });
  expect(shortened).toBe(0);
  expect([encoded[0].tokens[0], encoded[0].tokens.at(-1)]).toEqual([2, 1]);
  expect(tokenizer.decode(encoded[0].tokens.slice(1, -1))).toBe('q: a b end');
});

const word = fc.stringMatching(/^[a-z]{1,9}$/);

test('a long passage loses whole words from its end, as few as possible, and nothing else is lost', () => {
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
      const maxLength = options.maxTokens - 1 - before.length - after.length - 2;
      const fitting = words.map((_, i) => words.slice(0, i + 1).join(' ')).filter(({ length }) => length <= maxLength);
      expect(kept).toBe(fitting.at(-1) ?? '');
      expect(shortened).toBe(Number(kept !== passage));
    }),
  );
});

const refusal = (message: string, hint: string): Error =>
  expect.objectContaining({ message, hint, exitCode: 2 }) as Error;

test('the error for an example that does not fit names its line and the length that the task needs', () => {
  const long = example('q: ', 'a '.repeat(40), ' end');
  const longer = { ...example('q: ', 'a '.repeat(50), ' end'), place: { file: 'train.jsonl', line: 1 } };
  expect(() => encode(long, { longInputs: 'error' }, [long, longer])).toThrow(
    refusal(
      'val.jsonl:12 (idx 7/1) takes 88 tokens, but maxTokens is 30.',
      "Raise maxTokens to 108 or more, which the longest of the task's examples needs, or set longInputs: shorten.",
    ),
  );
  const [question, other] = [40, 44].map((length) => example('q'.repeat(length), 'a b', ''));
  expect(() => encode(question, {}, [question, other, long])).toThrow(
    refusal(
      'val.jsonl:12 (idx 7/1) takes 41 tokens without its passage, but maxTokens is 30.',
      "Raise maxTokens to 45 or more, which the longest of the task's examples needs.",
    ),
  );
});

test('the error for a task without a passage reports that nothing can be shortened', () => {
  const one: PlacedExample = { id: '8', place, parts: [{ text: 'x'.repeat(30) }] };
  const hint = "Raise maxTokens to 31 or more, which the longest of the task's examples needs.";
  expect(() => encode(one)).toThrow(
    refusal('val.jsonl:12 (idx 8) takes 31 tokens, but maxTokens is 30, and its task has no passage to shorten.', hint),
  );
  expect(() => encode(one, { longInputs: 'error' })).toThrow(
    refusal('val.jsonl:12 (idx 8) takes 31 tokens, but maxTokens is 30.', hint),
  );
});
