import fc from 'fast-check';
import { createRandom } from './streams';

test('a seed and a path determine the numbers, whatever was drawn before', () => {
  const a = createRandom(7);
  a.uniform();
  a.fork('other').uniform();
  const b = createRandom(7);
  expect(a.fork('data').fork(3).permutation(10)).toEqual(b.fork('data').fork(3).permutation(10));
  expect(a.fork('data').key()).toEqual(b.fork('data').key());
});

test('different seeds, names and indices give different streams', () => {
  fc.assert(
    fc.property(fc.integer(), fc.string(), fc.nat(), (seed, name, index) => {
      const root = createRandom(seed);
      const streams = [
        root,
        createRandom(seed + 1),
        root.fork(name),
        root.fork(`${name}x`),
        root.fork(name).fork(index),
        root.fork(name).fork(index + 1),
        root.fork(String(index)),
        root.fork(index),
      ];
      const first = streams.map((stream) => stream.fork('probe').uniform());
      return new Set(first).size === streams.length - (name === String(index) ? 1 : 0);
    }),
  );
});

test('the numbers of seed 1 never change', () => {
  const stream = createRandom(1).fork('data');
  const numbers = [stream.uniform(), stream.uniform(), stream.integer(1000), stream.normal()];
  expect(numbers).toMatchInlineSnapshot(`
   [
     0.9477849070261128,
     0.6166379818007882,
     312,
     0.38621494495185404,
   ]
  `);
  expect(stream.key()).toMatchInlineSnapshot(`
   [
     1165506047,
     558241712,
   ]
  `);
});

test('uniform, integer and normal draws have the right moments', () => {
  const stream = createRandom(3);
  const count = 50_000;
  const mean = (draw: () => number): number => Array.from({ length: count }, draw).reduce((a, b) => a + b, 0) / count;
  expect(Math.abs(mean(() => stream.uniform()) - 0.5)).toBeLessThan(0.005);
  expect(Math.abs(mean(() => stream.integer(10)) - 4.5)).toBeLessThan(0.05);
  expect(Math.abs(mean(() => stream.normal()))).toBeLessThan(0.02);
  expect(Math.abs(mean(() => stream.normal() ** 2) - 1)).toBeLessThan(0.03);
  const seen = new Set(Array.from({ length: 1000 }, () => stream.integer(7)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('names, indices and nested names give distinct streams', () => {
  const root = createRandom(0);
  const streams = [
    root.fork('a/b'),
    root.fork('a').fork('b'),
    root.fork('#1'),
    root.fork(1),
    root.fork('1'),
    root.fork('%2F'),
    root.fork('/'),
    root.fork('%'),
  ];
  expect(new Set(streams.map((stream) => stream.name)).size).toBe(streams.length);
  expect(new Set(streams.map((stream) => stream.key().join())).size).toBe(streams.length);
});

test('the first numbers of neighbouring streams are uniform and uncorrelated', () => {
  const root = createRandom(11).fork('steps');
  const count = 20_000;
  const bins = 64;
  const counts = new Float64Array(bins);
  let product = 0;
  let last = 0.5;
  for (let i = 0; i < count; i++) {
    const value = root.fork(i).uniform();
    counts[Math.floor(value * bins)]++;
    product += (value - 0.5) * (last - 0.5);
    last = value;
  }
  const expected = count / bins;
  const chiSquared = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // 63 degrees of freedom: between 30 and 105 with probability 0.999.
  expect(chiSquared).toBeGreaterThan(30);
  expect(chiSquared).toBeLessThan(105);
  // Serial correlation: standard deviation 1/sqrt(count) = 0.007.
  expect(Math.abs((product / count) * 12)).toBeLessThan(0.03);
});

test('the keys of 50,000 streams differ, and their words almost always', () => {
  const root = createRandom(5);
  const keys = Array.from({ length: 50_000 }, (_, i) => root.fork(i).key());
  expect(new Set(keys.map((key) => key.join())).size).toBe(keys.length);
  // 2^32 values: 0.3 pairs alike are expected.
  for (const word of [0, 1]) expect(new Set(keys.map((key) => key[word])).size).toBeGreaterThan(keys.length - 5);
});

test('a permutation contains every number once', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat({ max: 200 }), (seed, length) => {
      const order = createRandom(seed).permutation(length);
      expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
    }),
  );
});
