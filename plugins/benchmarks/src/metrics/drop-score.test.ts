import fc from 'fast-check';
import { bestAssignment } from './assignment';
import { dropScore, normalizeSpan } from './drop-score';

test('numbers are compared as floats, and other words without punctuation and articles', () => {
  expect(normalizeSpan('The 7-Eleven, Inc.')).toBe('7.0 eleven inc');
  expect(['1,000', '.50', '1e5', '0.00001', '1e16', '$5', 'nan'].map(normalizeSpan)).toEqual([
    '1000.0',
    '0.5',
    '100000.0',
    '1e-05',
    '1e+16',
    '5.0',
    'nan',
  ]);
});

test('the best of the right answers counts, and one that begins with a blank span does not', () => {
  expect(dropScore(['7 yards'], [['9'], ['7.0 yards']])).toEqual({ exactMatch: 1, f1: 1 });
  expect(dropScore([''], [['']])).toEqual({ exactMatch: 0, f1: 0 });
});

test('spans are compared one to one, and an answer with other numbers has no F1', () => {
  expect(dropScore(['Tom Brady', 'Eli Manning'], [['Manning', 'Brady', 'Rice']])).toEqual({ exactMatch: 0, f1: 0.44 });
  expect(dropScore(['7 yards'], [['8 yards']]).f1).toBe(0);
});

test('the best assignment has the largest sum of all', () => {
  const largest = (scores: readonly (readonly number[])[], taken: readonly number[] = []): number =>
    taken.length === scores.length
      ? 0
      : Math.max(
          ...scores.map((_, k) =>
            taken.includes(k) ? -Infinity : scores[taken.length][k] + largest(scores, [...taken, k]),
          ),
        );
  const square = fc
    .integer({ min: 1, max: 5 })
    .chain((size) =>
      fc.array(fc.array(fc.nat(9), { minLength: size, maxLength: size }), { minLength: size, maxLength: size }),
    );
  fc.assert(
    fc.property(square, (scores) => {
      const columns = bestAssignment(scores);
      expect(new Set(columns).size).toBe(scores.length);
      expect(columns.reduce((sum, k, i) => sum + scores[i][k], 0)).toBe(largest(scores));
    }),
  );
});
