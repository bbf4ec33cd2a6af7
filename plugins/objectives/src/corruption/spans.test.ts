import { createRandom } from '@graft/core';
import fc from 'fast-check';
import { UL2_PRESETS } from './denoisers';
import { corrupt, drawSpans, planNoise, randomComposition } from './spans';

test('corrupt gives the docstring example', () => {
  const spans = [
    { start: 1, end: 3 },
    { start: 4, end: 5 },
  ];
  expect(corrupt([5, 6, 7, 8, 9], spans, (i) => 99 - i)).toEqual({
    source: [5, 99, 8, 98],
    target: [99, 6, 7, 98, 9],
    origins: [1, 1, 2, 4, 4],
    fromText: [false, true, true, false, true],
  });
});

describe('the spans of UL2', () => {
  const sizes = fc.tuple(
    fc.integer({ min: 2, max: 300 }),
    fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    fc.double({ min: 1, max: 70, noNaN: true }),
    fc.integer(),
  );

  test('spans are in order and separate, have text before each, and cover the planned noise', () => {
    fc.assert(
      fc.property(sizes, ([length, rate, meanSpan, seed]) => {
        const plan = planNoise(length, rate, meanSpan);
        const spans = drawSpans(length, plan, createRandom(seed));
        expect(spans).toHaveLength(plan.spans);
        let at = 0;
        for (const { start, end } of spans) {
          expect(start).toBeGreaterThan(at);
          expect(end).toBeGreaterThan(start);
          at = end;
        }
        expect(at).toBe(length);
        expect(spans.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(plan.noiseTokens);
      }),
    );
  });

  test('noise matches the rate up to rounding, and there are at most as many spans as the mean length allows', () => {
    fc.assert(
      fc.property(sizes, ([length, rate, meanSpan]) => {
        const { noiseTokens, spans } = planNoise(length, rate, meanSpan);
        expect(Math.abs(noiseTokens - length * rate)).toBeLessThanOrEqual(1);
        expect(spans).toBeLessThanOrEqual(Math.max(1, Math.round(noiseTokens / meanSpan)));
      }),
    );
  });

  test('every composition is equally probable', () => {
    const random = createRandom(5);
    const counts = new Map<string, number>();
    const draws = 6000;
    for (let i = 0; i < draws; i++) {
      const key = randomComposition(5, 3, random).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    // Five as a sum of three positive integers: six ways.
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - draws / 6)).toBeLessThan(5 * Math.sqrt(draws / 6));
  });

  test('each token is noise at the configured rate, and spans have the mean length', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...UL2_PRESETS.ul2.filter(({ kind, meanSpan }) => kind === 'span' && meanSpan < 64)),
        fc.integer(),
        ({ rate, meanSpan }, seed) => {
          const [length, draws] = [160, 150];
          const random = createRandom(seed);
          const noisy = new Float64Array(length);
          const lengths: number[] = [];
          for (let draw = 0; draw < draws; draw++) {
            for (const { start, end } of drawSpans(length, planNoise(length, rate, meanSpan), random.fork(draw))) {
              lengths.push(end - start);
              for (let i = start; i < end; i++) noisy[i]++;
            }
          }
          const share = noisy.reduce((sum, count) => sum + count, 0) / (length * draws);
          expect(Math.abs(share - rate)).toBeLessThan(0.5 / length + 1e-9);
          const mean = lengths.reduce((sum, one) => sum + one, 0) / lengths.length;
          expect(Math.abs(mean - meanSpan)).toBeLessThan(meanSpan / 2);
          // In the middle, where neither end is near: by place, six standard deviations over draws that are independent.
          const middle = noisy.slice(length / 4, (3 * length) / 4);
          for (const count of middle)
            expect(Math.abs(count / draws - rate)).toBeLessThan(6 * Math.sqrt((rate * (1 - rate)) / draws) + 0.02);
        },
      ),
      { numRuns: 12 },
    );
  });
});
