import { answerScore, normalizeAnswer } from './answers';

test('case, ASCII punctuation, articles and spaces do not count', () => {
  expect(normalizeAnswer('The  Eiffel-Tower!')).toBe('eiffeltower');
  // An article is a whole word, in any script.
  expect(normalizeAnswer('An anthem of the Óa, a')).toBe('anthem of óa');
});

test('exact match and F1 are the best over the right answers', () => {
  expect(answerScore('the tower in Paris', ['Eiffel Tower', 'a Tower in Paris.'])).toEqual({ exactMatch: 1, f1: 1 });
  expect(answerScore('in Paris, France', ['Paris', 'Rome'])).toEqual({ exactMatch: 0, f1: 0.5 });
});

test('an answer without words agrees only with one without words', () => {
  expect(answerScore('The!', ['a'])).toEqual({ exactMatch: 1, f1: 1 });
  expect(answerScore('', ['Paris'])).toEqual({ exactMatch: 0, f1: 0 });
  expect(answerScore('Paris', [])).toEqual({ exactMatch: 0, f1: 0 });
});
