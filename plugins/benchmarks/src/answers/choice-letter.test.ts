import { choiceIn, letterIn } from './choice-letter';

test.each([
  ['The answer is a lone pair, so C.', 'C'],
  ['The answer is option B because A fails', 'B'],
  ['The answer is choice B, as A fails', 'B'],
  ['Answer: B. A is wrong.', 'B'],
  ['**Answer: C** since A', 'C'],
  ['**Answer**: C, not A', 'C'],
  ['The answer is a.', 'A'],
  ['The answer is (b), not A', 'B'],
  ['B-lymphocytes, so (C)', 'C'],
  ['C: not the B-lymphocytes', 'C'],
  ['(A) is wrong. The answer is (B)', 'B'],
  ['A, B and C are wrong: D', 'D'],
  ['B, because A fails', 'B'],
  ['These are the B-lymphocytes', '[invalid]'],
])('of "%s" the letter is %s', (text, letter) => {
  expect(letterIn(text)).toBe(letter);
});

test.each([
  ['The answer is B.', '(B)'],
  ['The answer is A? No, the answer is **B**', '(B)'],
  ['The answer is a lone pair.', '[invalid]'],
  ['A', '(A)'],
  ['[A]', '(A)'],
  ['**B**', '(B)'],
  ['a', '[invalid]'],
  ['A lone pair', '[invalid]'],
])('of "%s" the choice is %s', (text, choice) => {
  expect(choiceIn(text, ['10 eV', '20 eV', '30 eV', '40 eV'])).toBe(choice);
});
