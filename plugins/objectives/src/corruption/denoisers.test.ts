import fc from 'fast-check';
import { fittingLength, groupDenoisers, lengthsOf, UL2_PRESETS, type Denoiser } from './denoisers';

const denoiser = fc.record({
  kind: fc.constantFrom('span' as const, 'suffix' as const),
  meanSpan: fc.double({ min: 1, max: 80, noNaN: true }),
  rate: fc.double({ min: 0.05, max: 0.9, noNaN: true }),
  weight: fc.integer({ min: 1, max: 4 }),
});
const limit = fc.record({ source: fc.integer({ min: 64, max: 3000 }), target: fc.integer({ min: 64, max: 3000 }) });
const more = fc.record({ source: fc.nat(3), target: fc.nat(1) });

describe('fittingLength', () => {
  test('an input of 512 tokens fits 568 tokens of text with a target of 114, as in T5', () => {
    const published: Denoiser = { kind: 'span', meanSpan: 3, rate: 0.15, weight: 1 };
    // Source and target have an end token each there.
    const ends = { source: 1, target: 1 };
    const length = fittingLength(published, { source: 512, target: 512 }, ends);
    expect(length).toBe(568);
    expect(lengthsOf(published, length, ends)).toEqual({ source: 512, target: 114 });
  });

  test('a corruption rate of a half gives a target as long as the input, as in T5', () => {
    const published: Denoiser = { kind: 'span', meanSpan: 3, rate: 0.5, weight: 1 };
    const length = fittingLength(published, { source: 1024, target: 1024 }, { source: 1, target: 1 });
    expect(lengthsOf(published, length, { source: 1, target: 1 })).toEqual({ source: 1024, target: 1024 });
  });

  test('the fitting length is the longest that fits, and one side is full up to rounding', () => {
    fc.assert(
      fc.property(denoiser, limit, more, (one, most, added) => {
        const length = fittingLength(one, most, added);
        const made = lengthsOf(one, length, added);
        expect(made.source).toBeLessThanOrEqual(most.source);
        expect(made.target).toBeLessThanOrEqual(most.target);
        const fits = (longer: number): boolean => {
          const { source, target } = lengthsOf(one, longer, added);
          return source <= most.source && target <= most.target;
        };
        expect(Array.from({ length: length + 10 }, (_, i) => length + 1 + i).find(fits)).toBeUndefined();
        // One of both sides is full.
        expect(Math.min(most.source - made.source, most.target - made.target)).toBeLessThanOrEqual(2);
      }),
    );
  });

  test('limits that are too short for two tokens are refused', () => {
    const one: Denoiser = { kind: 'span', meanSpan: 3, rate: 0.5, weight: 1 };
    expect(() => fittingLength(one, { source: 8, target: 1 }, { source: 0, target: 1 })).toThrow('too short');
  });
});

describe('groupDenoisers', () => {
  const options = {
    limit: { source: 1024, target: 1024 },
    additions: ({ kind }: Denoiser) => ({ source: 1, target: kind === 'span' ? 1 : 0 }),
    padToMultipleOf: 8,
  };
  const summary = (preset: keyof typeof UL2_PRESETS): unknown =>
    groupDenoisers(UL2_PRESETS[preset], options).map(({ name, shape, members }) => [
      name,
      shape,
      members.map(({ tokens }) => tokens),
    ]);

  test('each published mixture has three groups of shapes', () => {
    expect(summary('ul2')).toEqual([
      ['R-X', { source: 1024, target: 232 }, [1137, 1178, 1200]],
      ['X', { source: 1024, target: 1024 }, [1534, 1818, 2014]],
      ['S', { source: 1024, target: 344 }, [1364]],
    ]);
    expect(summary('t5gemma2')).toEqual([
      ['R-X', { source: 1024, target: 232 }, [1137, 1197]],
      ['X', { source: 1024, target: 1024 }, [1888, 1984]],
      ['S', { source: 344, target: 1024 }, [1365]],
    ]);
  });

  test('each denoiser is in one group, is padded by at most a twentieth, and groups have different names', () => {
    const mixture = fc.array(denoiser, { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(mixture, limit, (denoisers, most) => {
        const groups = groupDenoisers(denoisers, { ...options, limit: most });
        const members = groups.flatMap((group) => group.members.map(({ denoiser: one }) => one));
        expect(members).toHaveLength(denoisers.length);
        expect(new Set(members)).toEqual(new Set(denoisers));
        expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length);
        for (const { shape, members: own } of groups)
          for (const { lengths } of own) {
            expect(lengths.source).toBeLessThanOrEqual(shape.source);
            expect(lengths.target).toBeLessThanOrEqual(shape.target);
            if (own.length === 1) continue;
            const used = (lengths.source + lengths.target) / (shape.source + shape.target);
            expect(used).toBeGreaterThanOrEqual(0.95);
          }
      }),
    );
  });
});
