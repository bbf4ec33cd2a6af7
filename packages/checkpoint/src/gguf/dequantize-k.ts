import { halfAt } from './half';

/** Formats with blocks of 256 values, in groups that have scales of their own. */
export type KType = 'Q2_K' | 'Q3_K' | 'Q4_K' | 'Q5_K' | 'Q6_K';

const BLOCK = 256;
const { fround } = Math;

type WidenBlock = (bytes: Uint8Array, block: number, values: Float32Array, at: number) => void;

const WIDEN: Readonly<Record<KType, { readonly bytes: number; readonly widen: WidenBlock }>> = {
  Q2_K: { bytes: 84, widen: widenQ2 },
  Q3_K: { bytes: 110, widen: widenQ3 },
  Q4_K: { bytes: 144, widen: widenQ4 },
  Q5_K: { bytes: 176, widen: widenQ5 },
  Q6_K: { bytes: 210, widen: widenQ6 },
};

/** Widens blocks to float32. */
export function dequantizeK(bytes: Uint8Array, type: KType, values: Float32Array): void {
  const { bytes: size, widen } = WIDEN[type];
  for (let block = 0, at = 0; at < values.length; block += size, at += BLOCK) widen(bytes, block, values, at);
}

/** 16 groups of 16: a byte each with scale and minimum, then two bits a value, then the scales of both. */
function widenQ2(bytes: Uint8Array, block: number, values: Float32Array, at: number): void {
  const [quants, scale, minimum] = [block + 16, halfAt(bytes, block + 80), halfAt(bytes, block + 82)];
  for (let group = 0; group < 16; group++) {
    const both = bytes[block + group];
    const step = fround(scale * (both & 15));
    const lowest = fround(minimum * (both >> 4));
    for (let i = 0; i < 16; i++) {
      const quantum = quantumOf(bytes, quants, 16 * group + i);
      values[at + 16 * group + i] = fround(step * quantum) - lowest;
    }
  }
}

/** The two bits of value `i`: 128 values share 32 bytes, 32 values each shift. */
const quantumOf = (bytes: Uint8Array, quants: number, i: number): number =>
  (bytes[quants + 32 * (i >> 7) + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;

/** The third bit of each value, two bits a value, 16 scales of six bits, and the scale of these. */
function widenQ3(bytes: Uint8Array, block: number, values: Float32Array, at: number): void {
  const [quants, scales, scale] = [block + 32, block + 96, halfAt(bytes, block + 108)];
  for (let group = 0; group < 16; group++) {
    const low = (bytes[scales + (group & 7)] >> (4 * (group >> 3))) & 15;
    const high = (bytes[scales + 8 + (group & 3)] >> (2 * (group >> 2))) & 3;
    const step = fround(scale * ((low | (high << 4)) - 32));
    for (let i = 16 * group; i < 16 * group + 16; i++) {
      // A set bit means that nothing is subtracted.
      const third = (bytes[block + (i & 31)] >> (i >> 5)) & 1;
      values[at + i] = step * (quantumOf(bytes, quants, i) - (third ? 0 : 4));
    }
  }
}

/**
 * Scale and minimum of one of 8 groups, six bits each in 12 bytes: the lower bits of the last four groups' are in the
 * last four bytes, their upper bits in the upper bits of the other bytes.
 */
function scaleOf(bytes: Uint8Array, scales: number, group: number): number {
  if (group < 4) return bytes[scales + group] & 63;
  return (bytes[scales + 4 + group] & 15) | ((bytes[scales + group - 4] >> 6) << 4);
}

function minimumOf(bytes: Uint8Array, scales: number, group: number): number {
  if (group < 4) return bytes[scales + 4 + group] & 63;
  return (bytes[scales + 4 + group] >> 4) | ((bytes[scales + group] >> 6) << 4);
}

/** The scales of scales and minima, these, then four bits a value. */
function widenQ4(bytes: Uint8Array, block: number, values: Float32Array, at: number): void {
  widenWithMinima(bytes, block, values, at, block + 16, undefined);
}

/** The same with the fifth bits before the others. */
function widenQ5(bytes: Uint8Array, block: number, values: Float32Array, at: number): void {
  widenWithMinima(bytes, block, values, at, block + 48, block + 16);
}

function widenWithMinima(
  bytes: Uint8Array,
  block: number,
  values: Float32Array,
  at: number,
  quants: number,
  fifth: number | undefined,
): void {
  const [scale, minimum, scales] = [halfAt(bytes, block), halfAt(bytes, block + 2), block + 4];
  for (let group = 0; group < 8; group++) {
    const step = fround(scale * scaleOf(bytes, scales, group));
    const lowest = fround(minimum * minimumOf(bytes, scales, group));
    // Two groups share 32 bytes.
    const [pair, shift] = [quants + 32 * (group >> 1), 4 * (group & 1)];
    for (let i = 0; i < 32; i++) {
      const low = (bytes[pair + i] >> shift) & 15;
      const quantum = fifth === undefined ? low : low | (((bytes[fifth + i] >> group) & 1) << 4);
      values[at + 32 * group + i] = fround(step * quantum) - lowest;
    }
  }
}

/** The lower four bits, the upper two, 16 scales of eight bits, and the scale of these. */
function widenQ6(bytes: Uint8Array, block: number, values: Float32Array, at: number): void {
  const [upper, scales, scale] = [block + 128, block + 192, halfAt(bytes, block + 208)];
  for (let group = 0; group < 16; group++) {
    const signed = (bytes[scales + group] << 24) >> 24;
    const step = fround(scale * signed);
    for (let i = 16 * group; i < 16 * group + 16; i++) {
      // 128 values share 64 bytes of lower bits and 32 of upper ones.
      const half = i >> 7;
      const low = (bytes[block + 64 * half + (i & 63)] >> (4 * ((i >> 6) & 1))) & 15;
      const high = (bytes[upper + 32 * half + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
      values[at + i] = step * ((low | (high << 4)) - 32);
    }
  }
}
