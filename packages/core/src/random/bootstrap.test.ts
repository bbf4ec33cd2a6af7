import { createRandom } from './streams';
import { bootstrapMean } from './bootstrap';

const random = createRandom(3);

/** The share of all resamples of three values with a mean of at most `limit`. */
function shareUpTo(values: readonly number[], limit: number): number {
  const means = values.flatMap((a) => values.flatMap((b) => values.map((c) => (a + b + c) / 3)));
  return means.filter((mean) => mean <= limit).length / means.length;
}

it('the interval of three values is that of all their 27 resamples', () => {
  const values = [1, 2, 6];
  for (const confidence of [0.5, 0.8, 0.9]) {
    const { mean, low, high, count } = bootstrapMean(values, { random: random.restarted(), confidence });
    expect([mean, count]).toEqual([3, 3]);
    // Quantiles of a discrete distribution: at most the tail lies below, and at least the tail up to there.
    const tail = (1 - confidence) / 2;
    expect(shareUpTo(values, low! - 1e-9)).toBeLessThanOrEqual(tail);
    expect(shareUpTo(values, low! + 1e-9)).toBeGreaterThanOrEqual(tail);
    expect(shareUpTo(values, high! - 1e-9)).toBeLessThanOrEqual(1 - tail);
    expect(shareUpTo(values, high! + 1e-9)).toBeGreaterThanOrEqual(1 - tail);
  }
});

it('of many normal values it is the mean plus and minus 1.96 standard errors', () => {
  const values = Float32Array.from({ length: 400 }, () => 0);
  random.fork('values').fillNormal(values, 2);
  const all = [...values];
  const { mean, low, high } = bootstrapMean(all, { random: random.fork('draws') });
  const deviation = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
  const error = (1.96 * deviation) / Math.sqrt(all.length);
  // 10,000 resamples estimate a quantile of a normal distribution to about 0.03 standard errors.
  expect(Math.abs((high! - mean) / error - 1)).toBeLessThan(0.05);
  expect(Math.abs((mean - low!) / error - 1)).toBeLessThan(0.05);
});

it('a single value, or one that is not finite, has no interval', () => {
  expect(bootstrapMean([4], { random })).toEqual({ mean: 4, count: 1 });
  expect(bootstrapMean([4, NaN], { random })).toEqual({ mean: NaN, count: 2 });
});

it('the same stream gives the same interval', () => {
  const interval = (): unknown => bootstrapMean([1, 2, 4, 8], { random: random.fork('same') });
  expect(interval()).toEqual(interval());
});
