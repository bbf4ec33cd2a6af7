import { EngineError } from '@graft/errors';
import { bytesOfDType, type DType } from '../program/dtypes';

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

const TYPES: Readonly<Record<DType, number>> = {
  float32: TF.FLOAT,
  float64: TF.DOUBLE,
  bfloat16: TF.BFLOAT16,
  float16: TF.HALF,
  int8: TF.INT8,
  int16: TF.INT16,
  int32: TF.INT32,
  int64: TF.INT64,
  uint8: TF.UINT8,
  uint32: TF.UINT32,
  uint64: TF.UINT64,
  bool: TF.BOOL,
  complex64: TF.COMPLEX64,
  string: TF.STRING,
  resource: TF.RESOURCE,
};

const NAMES: ReadonlyMap<number, DType> = new Map(Object.entries(TYPES).map(([name, value]) => [value, name as DType]));

/** The TF_DataType of a dtype. */
export function tensorFlowType(dtype: DType): number {
  return TYPES[dtype];
}

/** The dtype of a TF_DataType. Throws EngineError for those that no kernel of Graft's uses. */
export function dtypeName(type: number): DType {
  const name = NAMES.get(type);
  if (name) return name;
  throw new EngineError(`Tensors of TensorFlow's dtype ${type} are not supported.`, { code: 'engine.unsupported' });
}

/** Bytes of one element; 0 for types without a fixed width (strings, resources). */
export function dtypeBytes(type: number): number {
  return bytesOfDType(dtypeName(type));
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
