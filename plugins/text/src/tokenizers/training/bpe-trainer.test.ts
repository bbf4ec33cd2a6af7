import fc from 'fast-check';
import { learnMerges, type LearnedMerges, type LearnOptions } from './bpe-trainer';

const options = (words: Record<string, number>, more: Partial<LearnOptions> = {}): LearnOptions => ({
  words: new Map(Object.entries(words)),
  reserved: [],
  alphabet: ['a', 'b', 'c'],
  vocabularySize: 100,
  minFrequency: 1,
  longestToken: 16,
  ...more,
});

/** The same, by counting everything again for each merge. */
function learnSlowly({
  words,
  reserved,
  alphabet,
  vocabularySize,
  minFrequency,
  longestToken,
}: LearnOptions): LearnedMerges {
  const tokens = [...reserved, ...alphabet];
  const idOf = new Map(alphabet.map((character, i) => [character, reserved.length + i]));
  const cut = [...words].flatMap(([word, count]) => {
    const parts: { ids: number[]; count: number }[] = [{ ids: [], count }];
    for (const character of word) {
      const id = idOf.get(character);
      if (id === undefined) parts.push({ ids: [], count });
      else parts[parts.length - 1].ids.push(id);
    }
    return parts;
  });
  const merges: [string, string][] = [];
  while (tokens.length < vocabularySize) {
    const pairs = new Map<string, { left: number; right: number; count: number }>();
    for (const { ids, count } of cut) {
      for (let i = 0; i + 1 < ids.length; i++) {
        const [left, right] = ids.slice(i, i + 2);
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pairs.set(`${left} ${right}`, { ...pair, count: pair.count + count });
      }
    }
    const [best] = [...pairs.values()]
      .filter(({ left, right, count }) => {
        const text = tokens[left] + tokens[right];
        return count >= minFrequency && text.length <= longestToken && !reserved.includes(text);
      })
      .sort((a, b) => b.count - a.count || a.left - b.left || a.right - b.right);
    if (!best) break;
    const merge: [string, string] = [tokens[best.left], tokens[best.right]];
    const text = merge.join('');
    const id = idOf.get(text) ?? tokens.push(text) - 1;
    idOf.set(text, id);
    if (!merges.some(([left, right]) => left === merge[0] && right === merge[1])) merges.push(merge);
    for (const word of cut) {
      const merged: number[] = [];
      for (let i = 0; i < word.ids.length; i++) {
        const found = word.ids[i] === best.left && word.ids[i + 1] === best.right;
        merged.push(found ? id : word.ids[i]);
        if (found) i++;
      }
      word.ids = merged;
    }
  }
  return { tokens, merges };
}

test('learnMerges gives the docstring example', () => {
  expect(learnMerges(options({ aab: 3, ab: 2 }, { alphabet: ['a', 'b'], vocabularySize: 4 }))).toEqual({
    tokens: ['a', 'b', 'ab', 'aab'],
    merges: [
      ['a', 'b'],
      ['a', 'ab'],
    ],
  });
});

test('the merges are those of counting again for every merge', () => {
  const words = fc.dictionary(
    fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'x'), minLength: 1, maxLength: 9 }),
    fc.integer({ min: 1, max: 5 }),
    { maxKeys: 12 },
  );
  fc.assert(
    fc.property(
      words,
      fc.integer({ min: 3, max: 30 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(3, 16),
      (some, vocabularySize, minFrequency, longestToken) => {
        const asked = options(some, { vocabularySize, minFrequency, longestToken, reserved: ['ab'] });
        expect(learnMerges(asked)).toEqual(learnSlowly(asked));
      },
    ),
    { numRuns: 500 },
  );
});

test('the order of the words does not matter', () => {
  const words = Object.entries({ abcab: 3, bca: 3, cab: 2, aaaa: 2, ccb: 5 });
  expect(learnMerges(options(Object.fromEntries(words.reverse())))).toEqual(
    learnMerges(options(Object.fromEntries(words.reverse()))),
  );
});

test('merging ends at rare pairs, at the longest token, and at characters that are not tokens', () => {
  expect(learnMerges(options({ ab: 2, bc: 1 }, { minFrequency: 2 })).merges).toEqual([['a', 'b']]);
  expect(learnMerges(options({ aaaa: 9 }, { longestToken: 3 })).tokens).toEqual(['a', 'b', 'c', 'aa']);
  expect(learnMerges(options({ 'a-b': 9 })).merges).toEqual([]);
  expect(learnMerges(options({ ab: 9 }, { reserved: ['ab'] })).merges).toEqual([]);
  expect(learnMerges(options({})).tokens).toEqual(['a', 'b', 'c']);
});
