import type { Precision } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type { Model, Optimizer, StepShape } from '../interfaces';
import { isNarrow, masterBytes, storageOf, storedShape, type ParameterStorage } from './parameter-storage';

/** The rows and lengths of the batch that one device computes at once. */
export type BatchLengths = StepShape;

/** What a training keeps in memory, before anything is divided among devices. */
export interface MemoryRequest extends ParameterStorage {
  readonly model: Pick<Model, 'parameters' | 'stepMemory'>;
  readonly optimizer: Pick<Optimizer, 'stateOf'>;
  /** Whether a parameter ever trains. Default: all do. */
  readonly isTrained?: (name: string) => boolean;
  /** Whether there is a moving average of the parameters. Default false. */
  readonly keepsAverage?: boolean;
  /** Default float32. */
  readonly precision?: Precision;
  /** The whole batch of a step. Default: activations and logits are not estimated. */
  readonly batch?: BatchLengths;
  /** Default 1. */
  readonly microBatches?: number;
  /** Tokens whose logits are in memory together. Default: those of the batch. */
  readonly chunkTokens?: number;
  /** Models that are computed beside the one that trains, and never change: teachers, a reference. Default: none. */
  readonly frozenModels?: readonly Pick<Model, 'parameters'>[];
}

/** How a training is divided among devices. */
export interface MemoryShards {
  /** In how many parts the devices have a parameter, or a tensor of its state, which has that shape in memory. */
  partsOf(name: string, shape: readonly number[]): number;
  /** How many devices share the rows of a batch. */
  readonly batch: number;
  /** How many devices share each row: heads and columns of the feed-forward. */
  readonly row: number;
}

/** Everything on one device. */
export const ONE_DEVICE: MemoryShards = { partsOf: () => 1, batch: 1, row: 1 };

/** Bytes on each device. Undefined: the component does not say. */
export interface MemoryEstimate {
  readonly parameters: number;
  readonly masterWeights: number;
  readonly optimizerState: number | undefined;
  readonly average: number;
  /** float32, of the parameters that train. */
  readonly gradients: number;
  /** Copies of the weights in the dtype of the products, if it is not that of the parameters. */
  readonly castWeights: number;
  /** Weights of the models beside the one that trains, with their copies for products: whole on each device. */
  readonly frozenModels: number;
  readonly activations: number | undefined;
  readonly logits: number | undefined;
  /** The sum of those that are known. */
  readonly total: number;
}

/**
 * Estimates the memory of a training on each device from shapes alone, without tensors, so that any size is possible. What
 * stays is exact; activations and logits are those that the model's code stores for the gradient, and the compiler may need
 * fewer or more. The total is a bound: in the backward pass gradients take the place of activations.
 */
export function estimateTrainingMemory(request: MemoryRequest, shards: MemoryShards = ONE_DEVICE): MemoryEstimate {
  const { model, optimizer, isTrained = () => true, keepsAverage = false, precision = 'float32' } = request;
  const sums = { parameters: 0, masterWeights: 0, average: 0, gradients: 0, castWeights: 0 };
  let optimizerState: number | undefined = optimizer.stateOf && 0;
  for (const spec of model.parameters) {
    const { name, shape, frozen = false } = spec;
    const storage = storageOf(spec, request);
    const parts = shards.partsOf(name, shape);
    const stored = storedShape(shape, storage);
    const wide = (4 * elementCount(shape)) / parts;
    sums.parameters += (4 * elementCount(stored)) / shards.partsOf(name, stored);
    if (keepsAverage && !frozen) sums.average += wide;
    sums.castWeights += castBytes(shape, storage.parameterDtype, precision) / parts;
    if (!isTrained(name)) continue;
    sums.masterWeights += masterBytes(shape, storage) / parts;
    sums.gradients += wide;
    const state = optimizer.stateOf?.(name, shape) ?? [];
    if (optimizerState !== undefined)
      optimizerState += state.reduce(
        (sum, one) => sum + (4 * elementCount(one.shape)) / shards.partsOf(name, one.shape),
        0,
      );
  }
  const ofStep = stepMemory(request, shards);
  const all = {
    ...sums,
    optimizerState,
    frozenModels: frozenBytes(request),
    activations: ofStep?.activations,
    logits: ofStep?.logits,
  };
  return { ...all, total: Object.values(all).reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0) };
}

/** Models beside the one that trains are loaded in float32. */
function frozenBytes({ frozenModels = [], precision = 'float32' }: MemoryRequest): number {
  return frozenModels
    .flatMap(({ parameters }) => parameters)
    .reduce((sum, { shape }) => sum + 4 * elementCount(shape) + castBytes(shape, 'float32', precision), 0);
}

/** Of a weight that products read in another dtype than its own. */
function castBytes(
  shape: readonly number[],
  dtype: ParameterStorage['parameterDtype'] = 'float32',
  precision: Precision,
): number {
  if (shape.length < 2) return 0;
  const isStoredNarrow = dtype === 'bfloat16' && isNarrow(shape);
  if (isStoredNarrow === (precision === 'bfloat16')) return 0;
  return elementCount(shape) * (precision === 'bfloat16' ? 2 : 4);
}

function stepMemory(
  { model, batch, microBatches = 1, chunkTokens }: MemoryRequest,
  shards: MemoryShards,
): { activations: number; logits: number } | undefined {
  if (!batch) return undefined;
  const rows = Math.ceil(batch.batch / microBatches / shards.batch);
  return model.stepMemory?.({ ...batch, batch: rows }, { chunkTokens, rowParts: shards.row });
}
