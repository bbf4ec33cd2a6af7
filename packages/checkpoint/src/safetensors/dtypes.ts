import { CheckpointError } from '@graft/errors';

/** Element types as safetensors spells them. Graft computes with the first five; the others pass through as bytes. */
export type StoredDtype =
  'F32' | 'F16' | 'BF16' | 'I32' | 'I64' | 'F64' | 'I16' | 'I8' | 'U8' | 'U16' | 'U32' | 'U64' | 'BOOL';

const WIDTHS: Readonly<Record<StoredDtype, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Whether it is the name of a dtype of safetensors files. */
export function isStoredDtype(name: unknown): name is StoredDtype {
  return typeof name === 'string' && Object.hasOwn(WIDTHS, name);
}

/** Whether `toFloat32` reads it. */
export function isFloatDtype(dtype: StoredDtype): boolean {
  return dtype in CONFIG_NAMES;
}

/** Bytes of one element. */
export function storedWidth(dtype: StoredDtype): number {
  return WIDTHS[dtype];
}

/** All dtypes that tensors of a safetensors file may have. */
export const STORED_DTYPES = Object.keys(WIDTHS) as readonly StoredDtype[];

/** The spelling that config.json uses (`bfloat16`), and back. */
const CONFIG_NAMES: Readonly<Partial<Record<StoredDtype, string>>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F64: 'float64',
};

/** The dtype as config.json spells it: `BF16` is `bfloat16`. */
export function configDtypeName(dtype: StoredDtype): string {
  return CONFIG_NAMES[dtype] ?? dtype.toLowerCase();
}

/** `float32`, `F32`, `bf16`…: any usual spelling of a float type. Throws CheckpointError for anything else. */
export function parseFloatDtype(name: string): 'F32' | 'F16' | 'BF16' {
  switch (name.toLowerCase()) {
    case 'f32':
    case 'fp32':
    case 'float32':
      return 'F32';
    case 'f16':
    case 'fp16':
    case 'float16':
      return 'F16';
    case 'bf16':
    case 'bfloat16':
      return 'BF16';
    default:
      throw new CheckpointError(`dtype "${name}" is unknown; expected float32, bfloat16 or float16.`, {
        code: 'checkpoint.dtype',
        exitCode: 2,
      });
  }
}

/** The elements as a typed array, which requires an aligned start; file offsets do not guarantee one. */
function aligned(
  bytes: Uint8Array,
  dtype: StoredDtype,
): { buffer: ArrayBufferLike; byteOffset: number; length: number } {
  const width = WIDTHS[dtype];
  if (bytes.byteLength % width !== 0) {
    throw new CheckpointError(
      `${bytes.byteLength} bytes are not a whole number of ${dtype} elements, which take ${width} bytes each.`,
      { code: 'checkpoint.tensor-size' },
    );
  }
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return { buffer, byteOffset, length: byteLength / width };
}

let halfTable: Float32Array | undefined;

/** Every float16 bit pattern widened once: 65,536 entries, 256 KiB. */
export function float16Table(): Float32Array {
  if (halfTable) return halfTable;
  halfTable = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 0x3ff;
    if (exponent === 31) halfTable[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) halfTable[bits] = sign * fraction * 2 ** -24;
    else halfTable[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return halfTable;
}

/**
 * Widens or reads stored floats as float32. Without `into`, F32 bytes are viewed in place. `into` has one element for
 * each stored one; narrower elements may be at the end of its own memory.
 */
export function toFloat32(bytes: Uint8Array, dtype: StoredDtype, into?: Float32Array): Float32Array {
  if (!isFloatDtype(dtype)) {
    throw new CheckpointError(`${dtype} holds no floating-point numbers; expected F32, F16 or BF16.`, {
      code: 'checkpoint.dtype',
    });
  }
  const { buffer, byteOffset, length } = aligned(bytes, dtype);
  if (dtype === 'F32' && !into) return new Float32Array(buffer, byteOffset, length);
  const values = into ?? new Float32Array(length);
  if (values.length !== length) {
    throw new CheckpointError(`${length} ${dtype} elements do not fit into an array of ${values.length}.`, {
      code: 'checkpoint.tensor-size',
    });
  }
  // In ascending order: element i overwrites only stored elements that were read before.
  if (dtype === 'BF16') {
    const words = new Uint16Array(buffer, byteOffset, length);
    const bits = new Uint32Array(values.buffer, values.byteOffset, length);
    for (let i = 0; i < length; i++) bits[i] = words[i] << 16;
  } else if (dtype === 'F16') {
    const words = new Uint16Array(buffer, byteOffset, length);
    const table = float16Table();
    for (let i = 0; i < length; i++) values[i] = table[words[i]];
  } else {
    values.set(
      dtype === 'F32' ? new Float32Array(buffer, byteOffset, length) : new Float64Array(buffer, byteOffset, length),
    );
  }
  return values;
}

/**
 * Rounds float32 to a stored type: to nearest, ties to even; NaN stays NaN. F32 is viewed in place. `words` receives
 * one 16-bit result per value; it may be at the beginning of the values' own memory.
 */
export function fromFloat32(values: Float32Array, dtype: StoredDtype, words?: Uint16Array): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype !== 'BF16' && dtype !== 'F16') {
    throw new CheckpointError(`float32 values cannot be stored as ${dtype}; expected F32, F16 or BF16.`, {
      code: 'checkpoint.dtype',
    });
  }
  // Signed words: sums of unsigned ones would be doubles.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const out = words ?? new Uint16Array(values.length);
  if (dtype === 'F16') for (let i = 0; i < bits.length; i++) out[i] = float16Bits(bits[i], values[i]);
  else for (let i = 0; i < bits.length; i++) out[i] = bfloat16Bits(bits[i]);
  return new Uint8Array(out.buffer, out.byteOffset, 2 * values.length);
}

function bfloat16Bits(word: number): number {
  // A NaN with its payload in the lower half would round to infinity: set a bit that survives.
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return ((word + 0x7fff + ((word >>> 16) & 1)) | 0) >>> 16;
}

function float16Bits(word: number, value: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is halfway between the largest float16 and the next value.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: units of 2^-24. The product is exact, so one rounding remains.
    const scaled = Math.abs(value) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor & 1) ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Rounds float64 to a stored float type once: to nearest, ties to even. */
export function fromFloat64(values: Float64Array, dtype: StoredDtype): Uint8Array {
  if (dtype === 'F64') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const single = Float32Array.from(values);
  if (dtype === 'F32') return fromFloat32(single, dtype);
  // Rounding twice can miss the nearest. Rounded to odd (towards zero, then the last bit set if that was inexact),
  // float32 preserves on which side of a tie the number was, and the second rounding decides correctly.
  const bits = new Uint32Array(single.buffer);
  for (let i = 0; i < bits.length; i++) {
    if (single[i] === values[i] || Number.isNaN(values[i])) continue;
    if (Math.abs(single[i]) > Math.abs(values[i])) bits[i]--;
    bits[i] |= 1;
  }
  return fromFloat32(single, dtype);
}

/** Integers as int32; int64 beyond its range is an error that names `where`. */
export function toInt32(bytes: Uint8Array, dtype: StoredDtype, where: string): Int32Array {
  if (dtype !== 'I32' && dtype !== 'I64')
    throw new CheckpointError(`${where} holds ${dtype}; expected I32 or I64.`, { code: 'checkpoint.dtype' });
  const { buffer, byteOffset, length } = aligned(bytes, dtype);
  if (dtype === 'I32') return new Int32Array(buffer, byteOffset, length);
  // Lower half, upper half; the upper half of a number that fits repeats the lower one's sign.
  const halves = new Int32Array(buffer, byteOffset, 2 * length);
  const values = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    values[i] = halves[2 * i];
    if (halves[2 * i + 1] !== values[i] >> 31) {
      const value = new BigInt64Array(buffer, byteOffset, length)[i];
      throw new CheckpointError(`${where}: ${value} does not fit into 32 bits.`, { code: 'checkpoint.range' });
    }
  }
  return values;
}
