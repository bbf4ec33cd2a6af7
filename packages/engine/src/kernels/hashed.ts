/**
 * Random words as a hash of their position, for draws by row: each word is a function of only the key, the row and the
 * column. The other draws use Philox, which XLA's CPU backend computes a hundred times as slowly as TensorFlow's own
 * kernel.
 *
 *     x = mix(column + key[0]);  x = (x ^ key[1]) + row;  word = finish(x)
 */
import type { GraftBackend } from '../trace/backend';
import { TF } from './dtypes';
import type { tf } from '../tf';
import { dtypeAttribute } from './attributes';

/**
 * Inputs `key` int32 [2] and `row` int32 [1], attributes `shape` [n, w] and `bits`: int32 words of the rows from `row`
 * on, with 32 random bits, or with fewer, the upper ones, as numbers >= 0.
 */
export const HASHED_WORDS = 'GraftHashedWords';

/**
 * Shifts and odd factors of Wellons' "triple32", which has a small bias. The key's second word and the row enter after
 * the first round, and the middle shift carries their upper bits down.
 */
const SHIFTS = [17, 11, 16, 15, 14] as const;
const FACTORS = [0xed5ad4bb, 0xac4c1b51, 0x31848bab] as const;

interface Inputs {
  readonly key: tf.TensorInfo;
  readonly row: tf.TensorInfo;
}

interface Attributes {
  readonly shape: readonly [rows: number, width: number];
  readonly bits: number;
}

/** The hash in TensorFlow operations on unsigned words, which shift in zeros and overflow modulo 2^32. */
function nativeWords(backend: GraftBackend, { key, row }: Inputs, { shape, bits }: Attributes): tf.TensorInfo {
  const [rows, width] = shape;
  const binding = backend.binding;
  const temporary: number[] = [];
  const keep = (id: number): number => {
    temporary.push(id);
    return id;
  };
  const run = (op: string, inputs: number[], attributes = [dtypeAttribute('T', TF.UINT32)]): number =>
    keep(binding.executeOp(op, attributes, inputs, 1)[0].id);
  const number = (value: number): number => keep(binding.createTensor([], TF.UINT32, Uint32Array.of(value)));
  const ints = (...values: number[]): number =>
    keep(binding.createTensor([values.length], TF.INT32, Int32Array.from(values)));
  const int = (value: number): number => keep(binding.createTensor([], TF.INT32, Int32Array.of(value)));
  const bitcast = (id: number, from: number, to: number): number =>
    run('Bitcast', [id], [dtypeAttribute('T', from), dtypeAttribute('type', to)]);
  const upTo = (count: number): number =>
    bitcast(run('Range', [int(0), int(count), int(1)], [dtypeAttribute('Tidx', TF.INT32)]), TF.INT32, TF.UINT32);
  const [keyId, rowId] = backend.ids([key, row]);
  const words = bitcast(keyId, TF.INT32, TF.UINT32);
  const sliceTypes = [dtypeAttribute('T', TF.UINT32), dtypeAttribute('Index', TF.INT32)];
  const [first, second] = [0, 1].map((at) => run('Slice', [words, ints(at), ints(1)], sliceTypes)); // [1]
  const scrambled = (x: number, shift: number): number => run('BitwiseXor', [x, run('RightShift', [x, number(shift)])]);
  const times = (x: number, factor: number): number => run('Mul', [x, number(factor)]);
  const column = run('AddV2', [upTo(width), first]); // [w]
  const mixed = run('BitwiseXor', [scrambled(times(scrambled(column, SHIFTS[0]), FACTORS[0]), SHIFTS[1]), second]); // [w]
  const place = run('AddV2', [upTo(rows), bitcast(rowId, TF.INT32, TF.UINT32)]); // [n]
  const reshapeTypes = [dtypeAttribute('T', TF.UINT32), dtypeAttribute('Tshape', TF.INT32)];
  const x = run('AddV2', [mixed, run('Reshape', [place, ints(rows, 1)], reshapeTypes)]); // [n, w]
  const all = scrambled(times(scrambled(times(scrambled(x, SHIFTS[2]), FACTORS[1]), SHIFTS[3]), FACTORS[2]), SHIFTS[4]);
  const word = bits === 32 ? all : run('RightShift', [all, number(32 - bits)]);
  const [result] = binding.executeOp(
    'Bitcast',
    [dtypeAttribute('T', TF.UINT32), dtypeAttribute('type', TF.INT32)],
    [word],
    1,
  );
  for (const id of temporary) binding.deleteTensor(id);
  return backend.wrap(result);
}

/** The same words computed here. */
export function hashedWords(key: ArrayLike<number>, row: number, { shape, bits }: Attributes): Int32Array {
  const [rows, width] = shape;
  const [first, second] = [key[0], key[1]];
  const [factor, third, fourth] = FACTORS;
  const mixed = Int32Array.from({ length: width }, (_, column) => {
    let x = (column + first) | 0;
    x = Math.imul(x ^ (x >>> SHIFTS[0]), factor);
    return x ^ (x >>> SHIFTS[1]) ^ second;
  });
  const words = new Int32Array(rows * width);
  for (let i = 0; i < rows; i++) {
    for (let column = 0; column < width; column++) {
      let x = (mixed[column] + row + i) | 0;
      x = Math.imul(x ^ (x >>> SHIFTS[2]), third);
      x = Math.imul(x ^ (x >>> SHIFTS[3]), fourth);
      x ^= x >>> SHIFTS[4];
      words[i * width + column] = bits === 32 ? x : x >>> (32 - bits);
    }
  }
  return words;
}

export const nativeHashedWords: tf.KernelConfig = {
  kernelName: HASHED_WORDS,
  backendName: 'tensorflow',
  kernelFunc: ({ inputs, backend, attrs }) =>
    nativeWords(backend as GraftBackend, inputs as unknown as Inputs, attrs as unknown as Attributes),
};

export function portableHashedWords(backendName: string): tf.KernelConfig {
  return {
    kernelName: HASHED_WORDS,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { key, row } = inputs as unknown as Inputs;
      const store = backend as tf.KernelBackend;
      const attributes = attrs as unknown as Attributes;
      const shape = [...attributes.shape];
      const [first] = store.readSync(row.dataId) as Int32Array;
      const words = hashedWords(store.readSync(key.dataId) as Int32Array, first, attributes);
      return { dataId: store.write(words, shape, 'int32'), shape, dtype: 'int32' };
    },
  };
}
