import { bytesOfDType, type DType } from '../../program/dtypes';
import type { ValueType } from '../../program/program';
import { elementCount } from '../../shape';

/** What StableHLO, or this lowering, does not have; the message says what. */
export class Unsupported extends Error {}

const ELEMENTS: Readonly<Partial<Record<DType, string>>> = {
  float32: 'f32',
  float64: 'f64',
  bfloat16: 'bf16',
  float16: 'f16',
  int8: 'i8',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  uint8: 'ui8',
  uint32: 'ui32',
  uint64: 'ui64',
  bool: 'i1',
  complex64: 'complex<f32>',
};

const DTYPES: ReadonlyMap<string, DType> = new Map(
  Object.entries(ELEMENTS).map(([dtype, element]) => [element, dtype as DType]),
);

/** The dtype of an element type, `f32` or `complex<f32>`; undefined for those that no program of Graft's has. */
export function dtypeOfElement(name: string): DType | undefined {
  return DTYPES.get(name);
}

/** The type in MLIR: `tensor<2x3xf32>`. Throws Unsupported for strings and resources. */
export function typeText({ dtype, shape }: ValueType): string {
  const element = ELEMENTS[dtype];
  if (element === undefined) throw new Unsupported(`StableHLO has no ${dtype}s.`);
  return `tensor<${[...shape, element].join('x')}>`;
}

export const isFloat = (dtype: DType): boolean => dtype.includes('float');
export const isUnsigned = (dtype: DType): boolean => dtype.startsWith('uint') || dtype === 'bool';

/** Bits of infinity, by dtype; the sign is the highest bit. */
const INFINITY: Readonly<Partial<Record<DType, [positive: string, negative: string]>>> = {
  float32: ['0x7F800000', '0xFF800000'],
  float64: ['0x7FF0000000000000', '0xFFF0000000000000'],
  bfloat16: ['0x7F80', '0xFF80'],
  float16: ['0x7C00', '0xFC00'],
};

/** A finite or infinite number in MLIR's notation for that dtype. */
export function numberText(dtype: DType, value: number | bigint): string {
  if (dtype === 'bool') return value ? 'true' : 'false';
  if (dtype === 'complex64') return `(${numberText('float32', value)}, 0.0)`;
  if (!isFloat(dtype)) return String(value);
  const number = Number(value);
  const infinity = INFINITY[dtype];
  if (!Number.isFinite(number) && infinity) return infinity[number > 0 ? 0 : 1];
  // MLIR wants a point, also before an exponent.
  const [digits, exponent] = (Object.is(number, -0) ? '-0' : String(number)).split('e');
  const decimal = digits.includes('.') ? digits : `${digits}.0`;
  return exponent === undefined ? decimal : `${decimal}e${exponent}`;
}

/**
 * A constant's value: little-endian bytes in hexadecimal, as MLIR reads them fastest. Not for booleans. Where all
 * elements are equal, MLIR reads the bytes of one as all of them; gradients have many such constants.
 */
export function denseBytes(type: ValueType, bytes: Uint8Array): string {
  const count = elementCount(type.shape);
  if (count === 0) return `dense<> : ${typeText(type)}`;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = all.length / count;
  const areEqual = all.subarray(width).equals(all.subarray(0, all.length - width));
  return `dense<"0x${(areEqual ? all.subarray(0, width) : all).toString('hex').toUpperCase()}"> : ${typeText(type)}`;
}

/** `array<i64: 1, 2>` */
export function integers(values: readonly number[]): string {
  return values.length === 0 ? 'array<i64>' : `array<i64: ${values.join(', ')}>`;
}

/** Bits of an integer. */
export function bitsOf(dtype: DType): number {
  if (!/^u?int/.test(dtype)) throw new Unsupported(`${dtype} is not an integer.`);
  return 8 * bytesOfDType(dtype);
}

/** The lowest or the highest value of a dtype. */
export function extreme(dtype: DType, side: 'lowest' | 'highest'): number | bigint {
  if (isFloat(dtype)) return side === 'lowest' ? -Infinity : Infinity;
  if (dtype === 'bool') return side === 'lowest' ? 0 : 1;
  const bits = BigInt(bitsOf(dtype));
  if (isUnsigned(dtype)) return side === 'lowest' ? 0 : (1n << bits) - 1n;
  return side === 'lowest' ? -(1n << (bits - 1n)) : (1n << (bits - 1n)) - 1n;
}
