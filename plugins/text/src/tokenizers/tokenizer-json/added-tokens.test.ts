import { AddedTokenFinder, readAddedTokens, type AddedToken } from './added-tokens';

const none = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: false };
const token = (content: string, id: number, flags: Partial<AddedToken> = {}): readonly [string, AddedToken] => [
  content,
  { ...none, content, id, ...flags },
];

/** The text between tokens as text, tokens as ids. */
function parts(finder: AddedTokenFinder, text: string): (string | number)[] {
  const found: (string | number)[] = [];
  finder.each(
    text,
    (id) => found.push(id),
    (part, start) => {
      expect(text.startsWith(part, start)).toBe(true);
      found.push(part);
    },
  );
  return found;
}

it('the longest token is found at each place, from the left', () => {
  const finder = new AddedTokenFinder([token('<b>', 1), token('<bb>', 2), token('\n\n', 3), token('b><', 4)]);
  expect(parts(finder, '<<b><bb>\n\n\nx<b')).toEqual(['<', 1, 2, 3, '\nx<b']);
  expect(parts(finder, 'b><b>')).toEqual([4, 'b>']);
  expect(parts(finder, '')).toEqual([]);
});

it('a single-word token is found only between characters that do not belong to words', () => {
  const finder = new AddedTokenFinder([token('cat', 1, { singleWord: true }), token('ca', 2)]);
  // Where a longer token is found and rejected, a shorter one is not tried.
  expect(parts(finder, 'concatenate the cat')).toEqual(['concatenate the ', 1]);
  for (const [beside, isWord] of Object.entries({
    _: true,
    é: true,
    漢: true,
    1: true,
    '\u200d': true,
    '\u0301': true,
    '.': false,
    '😀': false,
    '½': false,
  })) {
    expect([beside, ...parts(finder, `cat${beside}`)]).toEqual([beside, ...(isWord ? [`cat${beside}`] : [1, beside])]);
    expect([beside, ...parts(finder, `${beside}cat`)]).toEqual([beside, ...(isWord ? [`${beside}cat`] : [beside, 1])]);
  }
});

it('a token takes the whitespace on the sides that it strips', () => {
  const finder = new AddedTokenFinder([token('<l>', 1, { lstrip: true }), token('<r>', 2, { rstrip: true })]);
  expect(parts(finder, 'a \u3000\n<l> b <r>\t c')).toEqual(['a', 1, ' b ', 2, 'c']);
  expect(parts(finder, '<r>  <l>  ')).toEqual([2, 1, '  ']);
  // This is whitespace in JavaScript, but not in Unicode.
  expect(parts(finder, '\ufeff<l>')).toEqual(['\ufeff', 1]);
});

it('missing flags have the defaults of the published library', () => {
  const [special, plain] = readAddedTokens([
    { id: 0, content: '<a>', special: true },
    { id: 1, content: '<b>', single_word: true },
  ]);
  expect([special.normalized, plain.normalized, plain.singleWord, plain.lstrip]).toEqual([false, true, true, false]);
  expect(() => readAddedTokens([{ id: 0, content: '<a>', lstrip: 1 }])).toThrow(
    'its added token "<a>" is not supported: lstrip should be a boolean, found 1',
  );
  expect(() => new AddedTokenFinder([token('', 1)])).toThrow('nothing is left of it');
  expect(() => new AddedTokenFinder([token('a', 1), token('a', 2)])).toThrow('it cannot be told from "a"');
});
