import { EngineError } from '@graft/errors';
import { copyNative } from './foreign/memory';
import type { NativeBackend } from './targets/tensorflow/tensorflow-target';
import { TF } from './kernels/dtypes';
import { tf } from './tf';
import { elementCount } from './shape';

/** Shape and dtype of a tensor to create. */
export interface PiecewiseTensor {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
}

/** The native runtime of the engine in use; undefined on the portable one. */
function nativeBackend(): NativeBackend | undefined {
  if (tf.getBackend() !== 'tensorflow') return undefined;
  const backend = tf.backend() as unknown as NativeBackend['backend'];
  return { backend, binding: backend.binding };
}

/** Values per piece: small enough to stay in the processor's cache while it is used. */
const PIECE_BYTES = 1 << 20;

/** Reused buffers: allocating memory outside JavaScript's heap triggers garbage collections. */
const spare: ArrayBuffer[] = [];

/**
 * The values of a float32 or int32 tensor in order, without a copy of all of them; for the tensors of a model, such
 * copies cost more time in garbage collection than in copying. A piece is valid only until the next one is requested.
 * Waits for values that are still being computed. Throws EngineError for a tensor that has been disposed.
 */
export async function* readPieces(tensor: tf.Tensor): AsyncGenerator<Float32Array | Int32Array> {
  const native = tensor.dtype === 'float32' || tensor.dtype === 'int32' ? nativeBackend() : undefined;
  if (!native) return yield (await tensor.data()) as Float32Array | Int32Array;
  const view = await native.binding.runtime.viewTensor(native.backend.nativeOf(tensor.dataId, 'reading a tensor'));
  const buffer = spare.pop() ?? new ArrayBuffer(PIECE_BYTES);
  try {
    const Values = tensor.dtype === 'float32' ? Float32Array : Int32Array;
    for (let done = 0; done < 4 * tensor.size; done += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, 4 * tensor.size - done);
      copyNative(new Uint8Array(buffer), view.data + BigInt(done), bytes);
      yield new Values(buffer, 0, bytes / 4);
    }
  } finally {
    spare.push(buffer);
    view.release();
  }
}

/**
 * A tensor of the values of the pieces in order, each copied before the next one is requested. The caller owns it.
 * Throws EngineError if there are too many or too few values.
 */
export async function tensorOfPieces(
  { shape, dtype }: PiecewiseTensor,
  pieces: AsyncIterable<Float32Array | Int32Array>,
): Promise<tf.Tensor> {
  const size = elementCount(shape);
  const { place, finish, abandon } = begin({ shape, dtype }, size);
  try {
    let done = 0;
    for await (const piece of pieces) {
      if (done + piece.length > size) throw wrongLength(shape, size, `at least ${done + piece.length}`);
      place(piece, done);
      done += piece.length;
    }
    if (done < size) throw wrongLength(shape, size, String(done));
  } catch (error) {
    abandon();
    throw error;
  }
  return finish();
}

interface Unfinished {
  /** Copies values to their position, counted from the tensor's beginning. */
  readonly place: (values: Float32Array | Int32Array, from: number) => void;
  readonly finish: () => tf.Tensor;
  readonly abandon: () => void;
}

function begin({ shape, dtype }: PiecewiseTensor, size: number): Unfinished {
  const native = nativeBackend();
  if (!native) {
    const values = dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    return {
      place: (piece, from) => values.set(piece, from),
      finish: () => tf.tensor(values, [...shape], dtype),
      abandon: () => undefined,
    };
  }
  const { backend, binding } = native;
  const empty = binding.runtime.emptyTensor([...shape], dtype === 'int32' ? TF.INT32 : TF.FLOAT);
  return {
    place: ({ buffer, byteOffset, byteLength }, from) =>
      copyNative(empty.data + BigInt(4 * from), new Uint8Array(buffer, byteOffset, byteLength), byteLength),
    finish: () => backend.wrap(binding.adopt(empty.finish())),
    abandon: () => empty.abandon(),
  };
}

function wrongLength(shape: readonly number[], expected: number, got: string): EngineError {
  return new EngineError(`A tensor [${shape.join(', ')}] has ${expected} values, but ${got} were given.`, {
    code: 'engine.tensor-size',
  });
}
