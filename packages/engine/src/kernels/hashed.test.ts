import { hashedWords } from './hashed';

const words = (key: readonly number[], row: number, shape: [number, number]): Int32Array =>
  hashedWords(key, row, { shape, bits: 32 });

/** Share of the numbers of which the upper bit is set in an odd number of a and b: a half, where they are independent. */
function disagreement(a: Int32Array, b: Int32Array, bit = 31): number {
  return a.reduce((sum, word, i) => sum + (((word ^ b[i]) >>> bit) & 1), 0) / a.length;
}

const COUNT = 1 << 18;
/** Six standard deviations of a share of COUNT fair coins. */
const TOLERANCE = (6 * 0.5) / Math.sqrt(COUNT);

test('hashed bits are fair, and hashed words are uniform', () => {
  const drawn = words([123, -456], 0, [1, COUNT]);
  for (let bit = 0; bit < 32; bit++)
    expect(Math.abs(drawn.reduce((sum, word) => sum + ((word >>> bit) & 1), 0) / COUNT - 0.5)).toBeLessThan(TOLERANCE);
  const bins = new Float64Array(256);
  for (const word of drawn) bins[word >>> 24]++;
  const expected = COUNT / 256;
  const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 255 degrees of freedom: six standard deviations about the mean.
  expect(Math.abs(chiSquare - 255)).toBeLessThan(6 * Math.sqrt(2 * 255));
});

test.each([
  ['the next row', [7, 9], 1],
  ['a row far away', [7, 9], 1 << 20],
  // Of the first word alone the next one is the next column; keys that are made for use differ in both.
  ['both words one more', [8, 10], 0],
  ['the second word one more', [7, 10], 0],
  ['the upper bit of the first word', [7 ^ (1 << 31), 9], 0],
  ['the upper bit of the second word', [7, 9 ^ (1 << 31)], 0],
])('another key or row gives independent words: %s', (_, key, row) => {
  const [a, b] = [words([7, 9], 0, [1, COUNT]), words(key, row, [1, COUNT])];
  for (const bit of [31, 30, 24]) expect(Math.abs(disagreement(a, b, bit) - 0.5)).toBeLessThan(TOLERANCE);
  // Nor shifted by some columns.
  for (const shift of [1, 2, 64]) expect(Math.abs(disagreement(a.slice(shift), b) - 0.5)).toBeLessThan(TOLERANCE);
});

test('words of neighbouring columns and rows are independent', () => {
  const width = 512;
  const drawn = words([-1, 2 ** 30], 5, [COUNT / width, width]);
  for (const step of [1, 2, width - 1, width, 2 * width])
    expect(Math.abs(disagreement(drawn.slice(step), drawn.slice(0, -step)) - 0.5)).toBeLessThan(TOLERANCE * 1.1);
});

test('words of fewer bits are the upper bits of the full words', () => {
  const all = words([3, 4], 2, [3, 5]);
  const upper = hashedWords([3, 4], 2, { shape: [3, 5], bits: 24 });
  expect([...upper]).toEqual([...all].map((word) => word >>> 8));
});
