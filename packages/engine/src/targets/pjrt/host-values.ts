import { EngineError } from '@graft/errors';
import { bytesOfDType, type DType } from '../../program/dtypes';
import { elementCount } from '../../shape';

/** Dtype and shape of a buffer, of an argument or of a result. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export const describeType = ({ dtype, shape }: TensorType): string => `${dtype} [${shape.join(', ')}]`;

export const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);

export const bytesOfType = ({ dtype, shape }: TensorType): number => elementCount(shape) * bytesOfDType(dtype);

/** The typed arrays that hold values of a dtype; complex numbers are pairs of floats, 16-bit floats their bits. */
const ARRAYS: Readonly<Partial<Record<DType, readonly string[]>>> = {
  float32: ['Float32Array'],
  float64: ['Float64Array'],
  bfloat16: ['Uint16Array'],
  float16: ['Uint16Array'],
  int8: ['Int8Array'],
  int16: ['Int16Array'],
  int32: ['Int32Array'],
  int64: ['BigInt64Array'],
  uint8: ['Uint8Array', 'Uint8ClampedArray', 'Buffer'],
  uint32: ['Uint32Array'],
  uint64: ['BigUint64Array', 'BigInt64Array'],
  bool: ['Uint8Array'],
  complex64: ['Float32Array'],
};

/** Throws EngineError unless the array holds exactly the values of that type. */
export function checkHostValues(values: ArrayBufferView, type: TensorType): void {
  const name = values.constructor.name;
  const wrong = (expected: string): EngineError =>
    new EngineError(
      `An upload of ${describeType(type)} takes ${expected}, but got ${name} of ${values.byteLength} bytes.`,
      {
        code: 'engine.inputs',
      },
    );
  if (!type.shape.every((size) => Number.isSafeInteger(size) && size >= 0)) throw wrong('sizes that are whole numbers');
  const arrays = ARRAYS[type.dtype] ?? [];
  if (!arrays.includes(name)) throw wrong(arrays.join(' or ') || 'values of a numeric dtype');
  const bytes = bytesOfType(type);
  if (values.byteLength !== bytes) throw wrong(`${bytes} bytes`);
}
