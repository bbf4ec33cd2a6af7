import fc from 'fast-check';
import { GraftError } from './errors';
import { cutText, listed, listedProblems, shortened, shownJson, withoutMiddle } from './text';

describe('shortened texts', () => {
  it('the docstring example is right', () => {
    expect(cutText('ab😀', 3)).toBe('ab');
  });

  it('cutting never splits a surrogate pair and removes no more than necessary', () => {
    const characters = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(characters, fc.nat(45), (text, longest) => {
        const cut = cutText(text, longest);
        expect(text.startsWith(cut)).toBe(true);
        expect(/[\ud800-\udfff]/u.test(cut)).toBe(false);
        expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, longest) - 1);
        expect(cut.length).toBeLessThanOrEqual(longest);
      }),
    );
  });

  it('a shortened text ends with an ellipsis', () => {
    expect(shortened('abcd', 4)).toBe('abcd');
    expect(shortened('abcde', 4)).toBe('abc…');
    expect(shortened('ab😀cd', 4)).toBe('ab…');
  });

  it('removing the middle keeps both ends and states how much is missing', () => {
    expect(withoutMiddle('abcdefgh', 8)).toBe('abcdefgh');
    expect(withoutMiddle('abcdefghij', 8)).toBe('abcdef … (2 characters) … ij');
    expect(withoutMiddle('ab😀efg😀', 5)).toBe('ab … (7 characters) … ');
    const { message } = new GraftError(`a.json has "${'x'.repeat(1e6)}" in it.`);
    expect(message).toMatch(/^a\.json has "x+ … \(996020 characters\) … x+" in it\.$/);
  });
});

test('a list is cut behind the first items, and the others are counted', () => {
  expect(listed(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more');
  expect(listed(['a', 'b'], 2)).toBe('a, b');
  expect(listedProblems(['1', '2', '3', '4', '5', '6', '7'].map((n) => `"${n}" is missing`))).toBe(
    '"1" is missing; "2" is missing; "3" is missing; "4" is missing; "5" is missing; and 2 more',
  );
});

test('a value of a JSON file is shown shortened; one that is not there has a name', () => {
  expect(shownJson({ a: [1, 2] }, 'missing', 60)).toBe('{"a":[1,2]}');
  expect(shownJson([1, 2, 3], 'missing', 5)).toBe('[1,2…');
  expect(shownJson(undefined, 'missing', 60)).toBe('missing');
});
