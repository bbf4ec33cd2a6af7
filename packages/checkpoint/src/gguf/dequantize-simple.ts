import { toFloat32 } from '../safetensors/dtypes';
import { halfAt } from './half';

/** Formats whose blocks have at most 32 values: one scale, and for some a minimum. */
export type SimpleType = 'F32' | 'F16' | 'BF16' | 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0';

const BLOCK = 32;
const HALF = 16;

/**
 * Widens blocks to float32. The first 16 values of a 4-bit or 5-bit block are the lower halves of its bytes, the others
 * the upper halves; fifth bits are in a word of their own.
 */
export function dequantizeSimple(bytes: Uint8Array, type: SimpleType, values: Float32Array): void {
  switch (type) {
    case 'F32':
    case 'F16':
    case 'BF16':
      toFloat32(bytes, type, values);
      return;
    case 'Q8_0':
      return bytesWithScale(bytes, values);
    case 'Q4_0':
      return halves(bytes, values, { bytes: 18, quants: 2, center: 8 });
    case 'Q4_1':
      return halves(bytes, values, { bytes: 20, quants: 4, minimum: true });
    case 'Q5_0':
      return halves(bytes, values, { bytes: 22, quants: 6, fifth: 2, center: 16 });
    case 'Q5_1':
      return halves(bytes, values, { bytes: 24, quants: 8, fifth: 4, minimum: true });
  }
}

function bytesWithScale(bytes: Uint8Array, values: Float32Array): void {
  const quants = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let block = 0, at = 0; at < values.length; block += 2 + BLOCK) {
    const scale = halfAt(bytes, block);
    for (let i = 0; i < BLOCK; i++) values[at++] = quants[block + 2 + i] * scale;
  }
}

/** Where the parts of a block are, as offsets in bytes; the scale is at its beginning. */
interface Layout {
  readonly bytes: number;
  /** The lower four bits of each value. */
  readonly quants: number;
  /** The word with the fifth bits. */
  readonly fifth?: number;
  /** Subtracted from every quantum. */
  readonly center?: number;
  /** Whether a minimum, which is added, follows the scale. */
  readonly minimum?: boolean;
}

function halves(
  bytes: Uint8Array,
  values: Float32Array,
  { bytes: size, quants, fifth, center = 0, minimum = false }: Layout,
): void {
  const { fround } = Math;
  for (let block = 0, at = 0; at < values.length; block += size, at += BLOCK) {
    const scale = halfAt(bytes, block);
    // Where there is none, nothing is added: a sum with 0 would turn -0 into 0.
    const lowest = minimum ? halfAt(bytes, block + 2) : undefined;
    const high = fifth === undefined ? 0 : wordAt(bytes, block + fifth);
    for (let i = 0; i < HALF; i++) {
      const pair = bytes[block + quants + i];
      const low = (pair & 15) | (((high >>> i) & 1) << 4);
      const upper = (pair >> 4) | (((high >>> (i + HALF)) & 1) << 4);
      const one = fround(scale * (low - center));
      const two = fround(scale * (upper - center));
      values[at + i] = lowest === undefined ? one : one + lowest;
      values[at + HALF + i] = lowest === undefined ? two : two + lowest;
    }
  }
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
