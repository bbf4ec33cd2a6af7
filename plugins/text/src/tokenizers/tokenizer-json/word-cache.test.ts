import fc from 'fast-check';
import { WordCache } from './word-cache';

it('a frequent word is encoded once, and the cache keeps at most two generations', () => {
  const asked: string[] = [];
  const cache = new WordCache((word) => [asked.push(word)], 10, 5);
  for (let i = 0; i < 200; i++) {
    cache.get('often');
    cache.get(String(i));
    expect(cache.size).toBeLessThanOrEqual(20);
  }
  expect(asked.filter((word) => word === 'often')).toHaveLength(1);
  expect(asked).toHaveLength(201);
});

it('the results are the same with and without the cache, and long words are not kept', () => {
  const cache = new WordCache((word) => [word.length], 2, 3);
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'bb', 'ccc', 'dddd')), (words) => {
      for (const word of words) expect(cache.get(word)).toEqual([word.length]);
    }),
  );
  const empty = new WordCache(() => [1], 2, 3);
  empty.get('dddd');
  expect(empty.size).toBe(0);
});
