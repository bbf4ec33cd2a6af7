/** The dtypes of a program's values. tfjs knows float32, int32, bool, complex64 and string; kernels use the others between. */
export type DType =
  | 'float32'
  | 'float64'
  | 'bfloat16'
  | 'float16'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint32'
  | 'uint64'
  | 'bool'
  | 'complex64'
  | 'string'
  | 'resource';

const BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  bfloat16: 2,
  float16: 2,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint32: 4,
  uint64: 8,
  bool: 1,
  complex64: 8,
  string: 0,
  resource: 0,
};

/** Bytes of one element; 0 for types without a fixed width (strings, resources). */
export function bytesOfDType(dtype: DType): number {
  return BYTES[dtype];
}
