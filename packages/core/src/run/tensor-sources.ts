/** The tensors of a run as a checkpoint's writer takes them, checked while they are written. */
import type { CheckpointReader, TensorSource } from '@graft/checkpoint';
import type { tf } from '@graft/engine';
import { readPieces } from '@graft/engine/internal';
import type { StoredTensor } from '../distributed/optimizer-shards';
import type { Parameters } from '../interfaces';
import type { SnapshotContents } from '../training/run-sink';
import { isPacked, wideShape } from '../training/parameter-storage';
import { lastGood, TrainingError } from '../util/training-error';

/** What reads the tensors of a checkpoint, or of a part of it. */
export type Reader = Pick<CheckpointReader, 'float32Chunks' | 'readInt32' | 'close'> & {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: string }>;
};

/** Throws for invalid values of a tensor before they are written; 16-bit ones are bfloat16. */
export type Refuse = (name: string, values: Float32Array | Int32Array | Uint16Array) => void;

/** The first number that is not finite; undefined if all are. */
function nonFiniteIn(values: Float32Array | Int32Array | Uint16Array): number | undefined {
  if (!(values instanceof Uint16Array)) return firstNonFinite(values);
  const half = values.find((bits) => (bits & EXPONENT) === EXPONENT);
  if (half === undefined) return undefined;
  return (half & 0x7f) !== 0 ? NaN : half >>> 15 === 1 ? -Infinity : Infinity;
}

/** Of a bfloat16 number. */
const EXPONENT = 0x7f80;

function firstNonFinite(values: Float32Array | Int32Array): number | undefined {
  // float32 numbers cannot overflow a float64: a sum is finite if all its terms are. Four sums, because each addition
  // waits for the one before it.
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (const end = values.length - 3; i < end; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  for (; i < values.length; i++) a += values[i];
  return Number.isFinite(a + b + c + d) ? undefined : values.find((one) => !Number.isFinite(one));
}

/** Parameters in their own dtype: what is packed in memory are the bytes of a BF16 tensor. */
export const parameterSources = (parameters: Parameters, refuse: Refuse): TensorSource[] =>
  Object.entries(parameters).flatMap(([name, tensor]) =>
    isPacked(tensor) ? [bfloat16Source(name, tensor, refuse)] : sources({ [name]: tensor }, refuse),
  );

const bfloat16Source = (name: string, tensor: tf.Tensor, refuse: Refuse): TensorSource => ({
  name,
  dtype: 'BF16',
  shape: wideShape(tensor),
  async *data() {
    for await (const { buffer, byteOffset, byteLength } of readPieces(tensor)) {
      refuse(name, new Uint16Array(buffer, byteOffset, byteLength / 2));
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  },
});

export function sources(tensors: Readonly<Record<string, StoredTensor>>, refuse?: Refuse): TensorSource[] {
  return Object.entries(tensors).map(([name, tensor]) => ({
    name,
    dtype: tensor.dtype === 'int32' ? 'I32' : 'F32',
    shape: tensor.shape,
    async *data() {
      for await (const values of piecesOf(tensor)) {
        refuse?.(name, values);
        yield values;
      }
    },
  }));
}

export async function* piecesOf(stored: StoredTensor): AsyncGenerator<Float32Array | Int32Array> {
  if (!('fetch' in stored)) return yield* readPieces(stored);
  // Fetch late, so that only one of them is in memory at a time.
  const tensor = await stored.fetch();
  try {
    yield* readPieces(tensor);
  } finally {
    tensor.dispose();
  }
}

/** Throws TrainingError for numbers that are not finite: an update can spoil parameters that its loss did not show. */
export function refuseNonFinite({ state, trained = [], before }: SnapshotContents, what: string): Refuse {
  const checked = new Set(trained);
  return (name, values) => {
    if (!checked.has(name)) return;
    const value = nonFiniteIn(values);
    if (value === undefined) return;
    throw new TrainingError(
      `After step ${state.step} ${what} "${name}" holds ${value}, and training stopped. ${lastGood(before)}`,
      {
        code: 'training.non-finite',
        hint: 'Lower optimizer.learningRate, set optimizer.clipNorm, or look at what the optimizer computes.',
      },
    );
  };
}
