import fc from 'fast-check';
import { BytesTokenizer, bytesOptions } from './bytes';

const tokenizer = new BytesTokenizer();

it('the bytes tokenizer gives the docstring example', () => {
  expect(Array.from(tokenizer.encode('né'))).toEqual([113, 198, 172]);
  expect([tokenizer.padId, tokenizer.eosId, tokenizer.bosId, tokenizer.vocabularySize]).toEqual([0, 1, 2, 259]);
});

it('any text is decoded as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const ids = tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(text);
      expect(ids.every((id) => id >= 3 && id < 259)).toBe(true);
    }),
  );
});

it('special tokens are decoded only on request, and unused ids never', () => {
  const ids = [2, 100, 101, 1, 0, 400, -100];
  expect(tokenizer.decode(ids)).toBe('ab');
  expect(tokenizer.decode(ids, { keepSpecial: true })).toBe('<bos>ab<eos><pad>');
});

it('bytes that are not text are decoded as U+FFFD', () => {
  expect(tokenizer.decode([0xc3 + 3, 100])).toBe('\ufffda');
});

it('the vocabulary may be larger than 259, but not smaller', () => {
  expect(new BytesTokenizer(bytesOptions.parse({ vocabularySize: 512 })).vocabularySize).toBe(512);
  expect(bytesOptions.safeParse({ vocabularySize: 256 }).success).toBe(false);
});

it('every token has a name', () => {
  expect([0, 13, 258, 259, -1].map((id) => tokenizer.piece(id))).toEqual([
    '<pad>',
    '<0x0A>',
    '<0xFF>',
    undefined,
    undefined,
  ]);
});

it('half of a surrogate pair is refused', () => {
  expect(() => new BytesTokenizer().encode('a\udc00')).toThrow('half of a surrogate pair, \\udc00');
});
