import { rouge } from './rouge';

// The scores are those of rouge-score 0.1.2; test/peers compares random texts with it.
test('words, pairs of words and the longest common subsequence are counted as rouge-score does', () => {
  expect(rouge('police killed the gunman', ['the gunman police killed'])).toEqual({
    rouge1: { precision: 1, recall: 1, fmeasure: 1 },
    rouge2: { precision: 2 / 3, recall: 2 / 3, fmeasure: 2 / 3 },
    rougeL: { precision: 0.5, recall: 0.5, fmeasure: 0.5 },
  });
});

test('of several references each variant takes the one with the best F1', () => {
  const { rouge1, rouge2 } = rouge('The cat sat on the mat.', [
    'The cat is sitting on the mat.',
    'A CAT sat on the mat',
  ]);
  expect([rouge1.fmeasure, rouge2.fmeasure]).toEqual([5 / 6, expect.closeTo(0.8, 10)]);
});

test('a text without letters of a to z and digits has no words, and no reference is refused', () => {
  expect(rouge('привет', ['привет']).rouge1).toEqual({ precision: 0, recall: 0, fmeasure: 0 });
  expect(() => rouge('a', [])).toThrow('ROUGE got no reference.');
});
