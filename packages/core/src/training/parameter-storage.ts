import { packBfloat16, stochasticBfloat16, tf, unpackBfloat16, type RandomKey } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type { OptimizerState, Parameters, ParameterSpec } from '../interfaces';
import { fnv1a } from '../random/streams';

/** The dtype in which the parameters that a step reads lie in memory. */
export type ParameterDtype = 'float32' | 'bfloat16';

/** The copy of bfloat16 parameters that the optimizer updates: `none` updates the bfloat16 numbers themselves. */
export type MasterWeights = 'float32' | 'none';

/** How a run keeps its parameters. */
export interface ParameterStorage {
  /** Default float32. */
  readonly parameterDtype?: ParameterDtype;
  /** Only with bfloat16 parameters. Default float32. */
  readonly masterWeights?: MasterWeights;
}

const MASTER = 'master/';

/** The key of a parameter's master in the optimizer's state. */
export const masterKey = (name: string): string => `${MASTER}${name}`;

/**
 * Whether a parameter is stored as bfloat16 where a run asks for it. Vectors (norms, biases), a thousandth of a model, stay
 * float32, and so do tensors with an odd last dimension, since two numbers share a word.
 */
export const isNarrow = (shape: readonly number[]): boolean => shape.length > 1 && shape[shape.length - 1] % 2 === 0;

/** Whether a tensor of parameters holds packed bfloat16 numbers: models have no integers as parameters. */
export const isPacked = (tensor: { readonly dtype: string }): boolean => tensor.dtype === 'int32';

/** The shape of the numbers in a tensor of parameters. */
export function wideShape({ shape, dtype }: { readonly shape: readonly number[]; readonly dtype: string }): number[] {
  return isPacked({ dtype }) ? [...shape.slice(0, -1), 2 * shape[shape.length - 1]] : [...shape];
}

/** The numbers of one tensor of parameters: float32. The caller owns what is returned only if it is another tensor. */
export const widened = (tensor: tf.Tensor): tf.Tensor => (isPacked(tensor) ? unpackBfloat16(tensor) : tensor);

/** Parameters as float32, for code that computes with them. Traceable. New tensors only for those that are packed. */
export function widenedAll(parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).map(([name, tensor]) => [name, widened(tensor)]));
}

/** Calls `use` with float32 parameters, and frees those that were made for it. */
export async function withWidened<T>(parameters: Parameters, use: (wide: Parameters) => Promise<T>): Promise<T> {
  const wide = widenedAll(parameters);
  try {
    return await use(wide);
  } finally {
    for (const [name, tensor] of Object.entries(wide)) if (tensor !== parameters[name]) tensor.dispose();
  }
}

/** How `stored` stores parameters, one by one. */
export interface StoredOptions {
  /** Called with each new tensor before the next is made, so that no device has to hold all of them. */
  readonly place: (name: string, value: tf.Tensor) => Promise<void>;
  /** See `ParameterSpec.keepsFloat32`. Default: none does. */
  readonly keepsFloat32?: (name: string) => boolean;
}

/**
 * Parameters as a run stores them, and the masters of those in `trained`. Takes ownership of the float32 tensors: a master
 * is the tensor that was given.
 */
export async function stored(
  parameters: Parameters,
  trained: Parameters,
  { parameterDtype = 'float32', masterWeights = 'float32' }: ParameterStorage,
  { place, keepsFloat32 = () => false }: StoredOptions,
): Promise<{ parameters: Parameters; masters: OptimizerState }> {
  if (parameterDtype === 'float32') return { parameters, masters: {} };
  const narrow: Record<string, tf.Tensor> = {};
  const masters: OptimizerState = {};
  try {
    for (const [name, wide] of Object.entries(parameters)) {
      if (!isNarrow(wide.shape) || keepsFloat32(name)) {
        narrow[name] = wide;
        continue;
      }
      narrow[name] = packBfloat16(wide);
      if (masterWeights === 'float32' && Object.hasOwn(trained, name)) masters[masterKey(name)] = wide;
      else wide.dispose();
      await place(name, narrow[name]);
    }
    return { parameters: narrow, masters };
  } catch (error) {
    tf.dispose([narrow, masters]);
    throw error;
  }
}

/** The masters among the state of a run, by parameter, and the state that belongs to the optimizer itself. */
export function separated(
  state: OptimizerState,
  parameters: Parameters,
): { masters: Record<string, tf.Tensor>; own: OptimizerState } {
  const masters: Record<string, tf.Tensor> = {};
  const own: OptimizerState = {};
  for (const [key, tensor] of Object.entries(state)) {
    const name = key.startsWith(MASTER) ? key.slice(MASTER.length) : undefined;
    if (name !== undefined && Object.hasOwn(parameters, name) && isPacked(parameters[name])) masters[name] = tensor;
    else own[key] = tensor;
  }
  return { masters, own };
}

/**
 * The key of the draws for one tensor, by its name: what one draws does not depend on which others are updated with it.
 * `random.fold` would derive it, too, but takes hundreds of operations, which a compiler meets once for each tensor. Draws by
 * row (int32 [3]) hash the key's words, so words that differ are enough. Traceable.
 */
export function namedKey(key: RandomKey, name: string): RandomKey {
  const own = [fnv1a(name, 0x811c9dc5), fnv1a(name, 0x050c5d1f), 0].slice(0, key.shape[0]);
  return tf.add(key, tf.tensor1d(own, 'int32')) as RandomKey;
}

/** Updated float32 numbers as bfloat16: to the nearest, or with a key stochastically. Traceable. */
export const narrowed = (wide: tf.Tensor, key?: RandomKey): tf.Tensor =>
  packBfloat16(key ? stochasticBfloat16(wide, key) : wide);

/** How a run keeps one of its parameters. */
export const storageOf = (
  { keepsFloat32 = false }: Pick<ParameterSpec, 'keepsFloat32'>,
  storage: ParameterStorage,
): ParameterStorage => (keepsFloat32 ? {} : storage);

/** The shape of a parameter in memory, in words of four bytes. */
export const storedShape = (shape: readonly number[], { parameterDtype = 'float32' }: ParameterStorage): number[] =>
  parameterDtype === 'bfloat16' && isNarrow(shape) ? [...shape.slice(0, -1), shape[shape.length - 1] / 2] : [...shape];

/** Bytes of a parameter's master; 0 if it has none. */
export const masterBytes = (
  shape: readonly number[],
  { parameterDtype = 'float32', masterWeights = 'float32' }: ParameterStorage,
): number =>
  parameterDtype === 'bfloat16' && masterWeights === 'float32' && isNarrow(shape) ? 4 * elementCount(shape) : 0;
