import type { DType } from './dtypes';

/** Bytes of values of that dtype as a typed array over the bytes' own buffer, from its beginning. */
export function fromBytes(
  bytes: Uint8Array,
  dtype: DType,
):
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | BigInt64Array {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return new Float32Array(bytes.buffer);
    case 'float64':
      return new Float64Array(bytes.buffer);
    case 'int32':
      return new Int32Array(bytes.buffer);
    case 'uint32':
      return new Uint32Array(bytes.buffer);
    case 'int64':
    case 'uint64':
      return new BigInt64Array(bytes.buffer);
    case 'int16':
      return new Int16Array(bytes.buffer);
    case 'bfloat16':
    case 'float16':
      return new Uint16Array(bytes.buffer);
    case 'int8':
      return new Int8Array(bytes.buffer);
    default:
      return bytes;
  }
}
