import fc from 'fast-check';
import { firstBatch, toName, toTag, toTitle, toValue } from './names';

test('a name that MLflow refuses is changed to a valid one, and valid names stay as they are', () => {
  expect(['heldOut/loss', 'größe 1:2', 'rate (new)', '/a//../b', 'x'.repeat(300)].map(toName)).toEqual([
    'heldOut/loss',
    'größe 1:2',
    'rate _new_',
    '_/a/_/__/b',
    'x'.repeat(250),
  ]);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600, size: 'max' }), (key) => {
      expect(toName(key)).toMatch(/^[\p{L}\p{N}_. :/-]{1,250}$/u);
      expect(toName(toName(key))).toBe(toName(key));
    }),
  );
});

test('a shortened name ends in a whole character, and not in a path segment with a special meaning', () => {
  const letter = '\u{10400}';
  expect(toName('x'.repeat(249) + letter)).toBe('x'.repeat(249));
  expect(toName('x'.repeat(248) + letter)).toBe('x'.repeat(248) + letter);
  expect(toName(`${'x'.repeat(249)}/y`)).toBe(`${'x'.repeat(249)}_`);
  expect(toName(`${'x'.repeat(247)}/..y`)).toBe(`${'x'.repeat(247)}___`);
});

test('values, tags and titles end in whole characters and are no longer than every store accepts', () => {
  expect(toValue(`${'x'.repeat(499)}😀`)).toBe('x'.repeat(499));
  expect(toValue(`${'x'.repeat(498)}😀 `)).toBe(`${'x'.repeat(498)}😀`);
  for (const [cut, longest] of [
    [toValue, 500],
    [toTitle, 250],
    [toTag, 5000],
  ] as const) {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2 * longest, size: 'max' }), (text) => {
        const short = cut(text);
        expect(short.length).toBeLessThanOrEqual(longest);
        expect(text.startsWith(short)).toBe(true);
        expect(text.length - short.length).toBeLessThanOrEqual(Math.max(text.length - longest + 1, 0));
        expect(Buffer.from(short).toString()).toBe(short);
        expect(cut(short)).toBe(short);
      }),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }), (text) => {
        expect(Buffer.from(cut(text)).toString()).toBe(cut(text));
      }),
    );
  }
});

test("batches respect MLflow's limits on values and bytes, and contain all values", () => {
  const metric = fc.record({
    key: fc.string({ unit: 'binary', maxLength: 250, size: 'max' }),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
    timestamp: fc.nat(),
    step: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(metric, { maxLength: 50 }), fc.integer({ min: 1, max: 80 }), (items, times) => {
      const all = Array.from({ length: times }, () => items).flat();
      let rest = [...all];
      while (rest.length > 0) {
        const batch = firstBatch(rest);
        expect(batch).toEqual(rest.slice(0, batch.length));
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(1000);
        expect(Buffer.byteLength(JSON.stringify({ run_id: 'x'.repeat(250), metrics: batch }))).toBeLessThan(1_000_000);
        rest = rest.slice(batch.length);
      }
    }),
    { numRuns: 20 },
  );
  const parameters = Array.from({ length: 250 }, (_, i) => ({ key: `k${i}`, value: 'v' }));
  expect(firstBatch(parameters)).toHaveLength(100);
  expect(firstBatch(Array.from({ length: 9 }, () => ({ key: 'k', value: '\u0001'.repeat(50_000) })))).toHaveLength(2);
});
