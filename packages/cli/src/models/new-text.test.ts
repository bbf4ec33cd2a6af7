import { BytesTokenizer } from '@graft/text';
import fc from 'fast-check';
import { NewText } from './new-text';

const tokenizer = new BytesTokenizer();

test('streamed text equals the text of the whole row for any characters and stop strings', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '😀', 'x'), maxLength: 12 });
  fc.assert(
    fc.property(text, fc.array(fc.constantFrom('ab', 'b😀', 'xx', 'aa'), { maxLength: 2 }), (original, stops) => {
      const all = Array.from(tokenizer.encode(original));
      const streaming = new NewText(tokenizer, 1, stops);
      let streamed = '';
      let given = 0;
      while (given < all.length && !streaming.isOver(all.slice(0, given))) streamed += streaming.more(all[given++]);
      streamed += streaming.rest();
      const whole = new NewText(tokenizer, 1, stops).of(Int32Array.of(2, ...all.slice(0, given)));
      expect(streamed).toBe(whole);
      for (const stop of stops) expect(streamed).not.toContain(stop);
      expect(original.startsWith(streamed)).toBe(true);
      if (stops.length === 0) expect(streamed).toBe(original);
    }),
  );
});

test('a character is printed once its last byte has arrived', () => {
  const streaming = new NewText(tokenizer, 0, []);
  expect(Array.from(tokenizer.encode('é!'), (token) => streaming.more(token))).toEqual(['', 'é', '!']);
});
