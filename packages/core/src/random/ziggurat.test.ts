import { worstDifference } from '@graft/test-support';
import { createRandom } from './streams';

const COUNT = 400_000;
const draw = (seed: number, deviation = 1): Float32Array => {
  const values = new Float32Array(COUNT);
  createRandom(seed).fillNormal(values, deviation);
  return values;
};

/** Distribution function of the normal law (Abramowitz and Stegun 7.1.26, error below 2e-7). */
function below(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const error = 1 - poly * Math.exp(-z * z);
  return x < 0 ? (1 - error) / 2 : (1 + error) / 2;
}

test('the numbers are normally distributed (Kolmogorov-Smirnov), also in the tails', () => {
  const values = draw(1).sort();
  let distance = 0;
  values.forEach((value, i) => {
    const expected = below(value);
    distance = Math.max(distance, Math.abs(expected - i / COUNT), Math.abs(expected - (i + 1) / COUNT));
  });
  // Exceeded by one seed of a thousand.
  expect(distance * Math.sqrt(COUNT)).toBeLessThan(1.95);
  for (const edge of [2, 3, 3.442619855899, 4]) {
    const expected = COUNT * (1 - below(edge));
    for (const seen of [values.filter((value) => value > edge).length, values.filter((value) => value < -edge).length])
      expect(Math.abs(seen - expected)).toBeLessThan(4.5 * Math.sqrt(expected) + 1);
  }
});

test('successive numbers and their squares are uncorrelated', () => {
  const values = draw(2);
  const correlation = (of: (value: number) => number, mean: number, variance: number): number => {
    let sum = 0;
    for (let i = 1; i < COUNT; i++) sum += (of(values[i]) - mean) * (of(values[i - 1]) - mean);
    return sum / (COUNT - 1) / variance;
  };
  expect(Math.abs(correlation((value) => value, 0, 1))).toBeLessThan(4.5 / Math.sqrt(COUNT));
  expect(Math.abs(correlation((value) => value * value, 1, 2))).toBeLessThan(4.5 / Math.sqrt(COUNT));
});

test('a seed determines the numbers, and the deviation only scales them', () => {
  const third = draw(3);
  expect(worstDifference(third, draw(3))).toBe(0);
  expect(worstDifference(third, draw(4))).toBeGreaterThan(0);
  const [one, half] = [draw(5), draw(5, 0.5)];
  expect(
    worstDifference(
      half,
      one.map((value) => value / 2),
    ),
  ).toBe(0);
});
