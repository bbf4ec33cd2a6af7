/** TF_DataType values (tensorflow/c/tf_datatype.h) that Graft uses. */
export const TF = {
  FLOAT: 1,
  DOUBLE: 2,
  INT32: 3,
  UINT8: 4,
  INT16: 5,
  INT8: 6,
  STRING: 7,
  COMPLEX64: 8,
  INT64: 9,
  BOOL: 10,
  BFLOAT16: 14,
  HALF: 19,
  RESOURCE: 20,
  UINT32: 22,
  UINT64: 23,
} as const;

const WIDTHS: Readonly<Record<number, number>> = {
  [TF.FLOAT]: 4,
  [TF.DOUBLE]: 8,
  [TF.INT32]: 4,
  [TF.UINT8]: 1,
  [TF.INT16]: 2,
  [TF.INT8]: 1,
  [TF.COMPLEX64]: 8,
  [TF.INT64]: 8,
  [TF.BOOL]: 1,
  [TF.BFLOAT16]: 2,
  [TF.HALF]: 2,
  [TF.UINT32]: 4,
  [TF.UINT64]: 8,
};

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(TF).map(([name, value]) => [value, name.toLowerCase()]),
);

/** Bytes of one element; 0 for types without a fixed width (strings, resources). */
export function dtypeBytes(dtype: number): number {
  return WIDTHS[dtype] ?? 0;
}

export function dtypeName(dtype: number): string {
  return NAMES[dtype] ?? `dtype ${dtype}`;
}

export function int64Array(values: readonly number[]): BigInt64Array {
  const result = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = BigInt(values[i]);
  return result;
}

/** Values as tfjs passes them (typed or plain arrays, booleans), as the bytes of a tensor of that dtype. */
export function toBytes(values: ArrayLike<number | bigint | boolean>, dtype: number): Uint8Array {
  let typed: ArrayBufferView;
  switch (dtype) {
    case TF.FLOAT:
    case TF.COMPLEX64:
      typed = values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
      break;
    case TF.INT32:
    case TF.UINT32:
      typed = values instanceof Int32Array ? values : Int32Array.from(values as ArrayLike<number>);
      break;
    case TF.INT64:
      typed =
        values instanceof BigInt64Array ? values : BigInt64Array.from(Array.from(values as ArrayLike<number>, BigInt));
      break;
    case TF.UINT64:
      typed =
        values instanceof BigUint64Array
          ? values
          : BigUint64Array.from(Array.from(values as ArrayLike<number>, BigInt));
      break;
    case TF.BOOL:
    case TF.UINT8:
      typed = values instanceof Uint8Array ? values : Uint8Array.from(values as ArrayLike<number>, Number);
      break;
    case TF.BFLOAT16:
    case TF.HALF:
      typed = values instanceof Uint16Array ? values : Uint16Array.from(values as ArrayLike<number>);
      break;
    default:
      throw new RangeError(`tensors of ${dtypeName(dtype)} cannot be made from host values`);
  }
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
}

/** Bytes of a tensor as the typed array that tfjs expects for its dtype. The bytes become the array's own buffer. */
export function fromBytes(
  bytes: Uint8Array,
  dtype: number,
): Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint16Array {
  switch (dtype) {
    case TF.FLOAT:
    case TF.COMPLEX64:
      return new Float32Array(bytes.buffer);
    case TF.INT32:
    case TF.UINT32:
      return new Int32Array(bytes.buffer);
    case TF.INT64:
    case TF.UINT64:
      return new BigInt64Array(bytes.buffer);
    case TF.BFLOAT16:
    case TF.HALF:
      return new Uint16Array(bytes.buffer);
    default:
      return bytes;
  }
}
