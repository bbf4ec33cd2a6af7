import { EngineError } from '@graft/errors';
import type { DType } from '../../program/dtypes';

/** PJRT_Buffer_Type of the dtypes that a device holds. */
const TYPES: Readonly<Partial<Record<DType, number>>> = {
  bool: 1,
  int8: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  uint8: 6,
  uint32: 8,
  uint64: 9,
  float16: 10,
  float32: 11,
  float64: 12,
  bfloat16: 13,
  complex64: 14,
};

const NAMES: ReadonlyMap<number, DType> = new Map(Object.entries(TYPES).map(([name, type]) => [type, name as DType]));

/** The PJRT_Buffer_Type of a dtype. Throws EngineError for strings and resources. */
export function elementType(dtype: DType): number {
  const type = TYPES[dtype];
  if (type !== undefined) return type;
  throw new EngineError(`Tensors of dtype ${dtype} cannot be on a PJRT device.`, { code: 'engine.unsupported' });
}

/** The dtype of a PJRT_Buffer_Type. Throws EngineError for those that no program of Graft's has. */
export function dtypeOf(type: number): DType {
  const dtype = NAMES.get(type);
  if (dtype) return dtype;
  throw new EngineError(`Results of PJRT's element type ${type} are not supported.`, { code: 'engine.unsupported' });
}
