import fc from 'fast-check';
import { downsample } from './downsample';

test('a short series is kept whole', () => {
  expect(downsample([3, 1, 2], 3)).toEqual([0, 1, 2]);
});

test('downsampling keeps ends and extremes in order and stays within its limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 500 }),
      fc.integer({ min: 4, max: 60 }),
      (values, limit) => {
        const kept = downsample(values, limit);
        expect(kept.length).toBeLessThanOrEqual(Math.max(limit, 4));
        expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
        expect(kept[0]).toBe(0);
        expect(kept.at(-1)).toBe(values.length - 1);
        const drawn = kept.map((index) => values[index]);
        expect(Math.min(...drawn)).toBe(Math.min(...values));
        expect(Math.max(...drawn)).toBe(Math.max(...values));
      },
    ),
  );
});

test('NaN values do not hide other values', () => {
  const values = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? NaN : i === 55 ? 99 : 1));
  expect(downsample(values, 8).map((index) => values[index])).toContain(99);
});
