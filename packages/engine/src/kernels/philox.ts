/**
 * Philox 4x32-10 (Salmon et al., 2011) as TensorFlow seeds and counts it, so that the portable engine draws the same
 * numbers as the native one.
 */
const MULTIPLIER_A = 0xd2511f53;
const MULTIPLIER_B = 0xcd9e8d57;
const WEYL_A = 0x9e3779b9;
const WEYL_B = 0xbb67ae85;
const ROUNDS = 10;

/** Upper 32 bits of the 64-bit product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const middleLow = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middleLow / 0x10000)) >>> 0;
}

/** One block: four words from a 128-bit counter and a 64-bit key. */
function philoxBlock(counter: readonly number[], key: readonly [number, number]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const highA = multiplyHigh(MULTIPLIER_A, c0);
    const lowA = Math.imul(MULTIPLIER_A, c0) >>> 0;
    const highB = multiplyHigh(MULTIPLIER_B, c2);
    const lowB = Math.imul(MULTIPLIER_B, c2) >>> 0;
    [c0, c1, c2, c3] = [(highB ^ c1 ^ k0) >>> 0, lowB, (highA ^ c3 ^ k1) >>> 0, lowA];
    k0 = (k0 + WEYL_A) >>> 0;
    k1 = (k1 + WEYL_B) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** TensorFlow scrambles a stateless seed through one block under this fixed key. */
const SEEDING_KEY: readonly [number, number] = [0x3ec8f720, 0x02461e29];

/** `count` random words for a stateless seed of two int32. */
export function philoxBits(seed: ArrayLike<number>, count: number): Uint32Array {
  // The seeds are widened to 64 bits with their sign.
  const scrambled = philoxBlock(
    [seed[0] >>> 0, seed[0] < 0 ? 0xffffffff : 0, seed[1] >>> 0, seed[1] < 0 ? 0xffffffff : 0],
    SEEDING_KEY,
  );
  const key: [number, number] = [scrambled[0], scrambled[1]];
  const words = new Uint32Array(count);
  for (let block = 0; block * 4 < count; block++) {
    const values = philoxBlock([block >>> 0, Math.floor(block / 2 ** 32), scrambled[2], scrambled[3]], key);
    for (let i = 0; i < 4 && block * 4 + i < count; i++) words[block * 4 + i] = values[i];
  }
  return words;
}
