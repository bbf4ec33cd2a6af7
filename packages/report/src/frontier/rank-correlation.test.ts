import fc from 'fast-check';
import { rankCorrelation, ranks } from './rank-correlation';

test('equal values share the mean of their places', () => {
  expect(ranks([10, 30, 30, 5])).toEqual([2, 3.5, 3.5, 1]);
});

test("the correlation is SciPy's, with ties", () => {
  const pairs = [1, 2, 2, 4, 5].map((x, i): [number, number] => [x, [2, 1, 4, 3, 7][i]]);
  expect(rankCorrelation(pairs).rho).toBeCloseTo(0.6668859288553503, 12);
});

test('four pairs in the same order: two of 24 orders correlate as much', () => {
  const same = rankCorrelation([1, 2, 3, 4].map((x): [number, number] => [x, x * x]));
  expect(same).toEqual({ rho: 1, count: 4, pValue: 2 / 24 });
});

test('many pairs are tested by orders at random, in either direction', () => {
  const numbers = Array.from({ length: 12 }, (_, i) => i);
  const opposite = rankCorrelation(numbers.map((x): [number, number] => [x, -x]));
  expect(opposite.rho).toBeCloseTo(-1, 12);
  expect(opposite.pValue).toBeLessThan(0.001);
  const none = rankCorrelation(numbers.map((x): [number, number] => [x, (x * 5) % 12]));
  expect(none.pValue).toBeGreaterThan(0.2);
});

test('a score that is the same everywhere correlates with nothing', () => {
  expect(
    rankCorrelation([
      [1, 2],
      [1, 3],
    ]),
  ).toEqual({ rho: undefined, count: 2 });
});

test('only the order counts, and exchanging the scores changes nothing', () => {
  const pairs = fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 })), {
    minLength: 2,
    maxLength: 5,
  });
  fc.assert(
    fc.property(pairs, (own) => {
      const { rho, pValue } = rankCorrelation(own);
      const other = rankCorrelation(own.map(([x, y]): [number, number] => [y, Math.exp(x / 10)]));
      expect(other.rho ?? 9).toBeCloseTo(rho ?? 9, 9);
      expect(other.pValue).toBe(pValue);
    }),
  );
});
