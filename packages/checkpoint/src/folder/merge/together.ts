import { isFloatDtype, storedWidth, toFloat32, type StoredDtype } from '../../safetensors/dtypes';
import type { CheckpointReader } from '../checkpoint-reader';
import { differ } from './agreement';

/** Elements of a tensor that are in memory together. */
const PIECE = 1 << 19;

/** A tensor of a checkpoint. */
export interface TensorOf {
  readonly reader: CheckpointReader;
  readonly name: string;
}

const inAll = (readers: readonly CheckpointReader[], name: string): TensorOf[] =>
  readers.map((reader) => ({ reader, name }));

/** Stored floats as float64. */
function toFloat64(bytes: Uint8Array, dtype: StoredDtype): Float64Array {
  if (dtype !== 'F64') return new Float64Array(toFloat32(bytes, dtype));
  return new Float64Array(bytes.slice().buffer);
}

/** Calls `use` with corresponding pieces of tensors of one shape, in order, and yields what it returns. */
async function* together<T>(
  tensors: readonly TensorOf[],
  use: (pieces: readonly Uint8Array[]) => T,
): AsyncGenerator<T, undefined, undefined> {
  const [first, ...others] = tensors.map(({ reader, name }) =>
    reader.chunks(name, PIECE * storedWidth(reader.info(name).dtype)),
  );
  try {
    for await (const piece of first) {
      const all = [piece];
      // They have as many elements as the first one's.
      for (const other of others) all.push((await other.next()).value!);
      yield use(all);
    }
  } finally {
    for (const other of others) await other.return(undefined);
  }
  return undefined;
}

/** As `together`, with the numbers of floating-point tensors, which may have several dtypes. */
export function numbersOf<T>(
  tensors: readonly TensorOf[],
  use: (values: readonly Float64Array[]) => T,
): AsyncGenerator<T, undefined, undefined> {
  const dtypes = tensors.map(({ reader, name }) => reader.info(name).dtype);
  return together(tensors, (all) => use(all.map((bytes, i) => toFloat64(bytes, dtypes[i]))));
}

/** As `numbersOf`, for the tensor of that name in each checkpoint. */
export const numbersTogether = <T>(
  readers: readonly CheckpointReader[],
  name: string,
  use: (values: readonly Float64Array[]) => T,
): AsyncGenerator<T, undefined, undefined> => numbersOf(inAll(readers, name), use);

/** Whether every checkpoint stores a tensor in floating point. */
export const isFloat = (readers: readonly CheckpointReader[], name: string): boolean =>
  readers.every(({ tensors }) => isFloatDtype(tensors.get(name)!.dtype));

/** The bytes of a tensor of which there is no mean. Throws CheckpointError if they differ. */
export const same = (
  readers: readonly CheckpointReader[],
  name: string,
): AsyncGenerator<Uint8Array, undefined, undefined> =>
  together(inAll(readers, name), (all) => {
    const odd = all.findIndex((other) => Buffer.compare(all[0], other) !== 0);
    if (odd < 0) return all[0];
    const { dtype } = readers[0].tensors.get(name)!;
    throw differ(readers[0], readers[odd], `"${name}" holds ${dtype}, of which there is no mean, and differs`);
  });
