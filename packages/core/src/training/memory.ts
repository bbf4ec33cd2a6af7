import { EngineError, type tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import type { HostFields, Model } from '../interfaces';
import { masterBytes, storageOf, storedShape, type ParameterStorage } from './parameter-storage';
import { trainable } from '../util/trainable';

/** Bytes that this process may still use: the machine's, or those of its control group if that has less. */
export function availableMemory(): number {
  const read = (file: string): string | undefined => {
    try {
      return readFileSync(`/sys/fs/cgroup/${file}`, 'utf8');
    } catch {
      return undefined;
    }
  };
  const limit = Number(read('memory.max') ?? NaN);
  if (!Number.isFinite(limit)) return freemem();
  // Pages of files count as used, but the system frees them for any process that needs memory.
  const files = Number(/^inactive_file (\d+)$/m.exec(read('memory.stat') ?? '')?.[1] ?? 0);
  return Math.min(freemem(), limit - Number(read('memory.current') ?? 0) + files);
}

/** `2.3 GiB`, `210 MiB`. */
export function formatMemory(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 0.95 ? `${gib.toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

const bytesOf = (shapes: readonly (readonly number[])[]): number =>
  4 * shapes.reduce((sum, shape) => sum + elementCount(shape), 0);

/**
 * A warning before loading anything, if not even parameters and gradients will fit; undefined if they do. Computes
 * bytes from shapes; the optimizer's state and the activations come on top.
 */
export function loadWarning(
  model: Model,
  { averageDecay, ...storage }: ParameterStorage & { readonly averageDecay?: number },
  available = availableMemory(),
): string | undefined {
  const keepsAverage = averageDecay !== undefined;
  const gradients = bytesOf(trainable(model.parameters).map(({ shape }) => shape));
  const parameters = model.parameters.reduce((sum, spec) => {
    const own = storageOf(spec, storage);
    const master = spec.frozen ? 0 : masterBytes(spec.shape, own);
    return sum + 4 * elementCount(storedShape(spec.shape, own)) + master;
  }, 0);
  const needed = parameters + (keepsAverage ? 2 : 1) * gradients;
  if (needed <= available) return undefined;
  const what = keepsAverage ? 'their moving average and their gradients' : 'their gradients';
  return `Parameters, ${what} take ${formatMemory(needed)} of memory, and ${formatMemory(available)} are free: the system may kill the run. Train a smaller model, or on a machine with more memory.`;
}

export interface StepMemory {
  /** Bytes already in memory: parameters, optimizer state, moving average. */
  readonly held: Readonly<Record<string, Readonly<Record<string, tf.Tensor>>>>;
  /** Gradients and activations, estimated from shapes. */
  readonly temporaryBytes: number;
}

/** A warning before the first step of a kind, if it will not fit; undefined if it does. */
export function stepWarning(
  { held, temporaryBytes }: StepMemory,
  advice: string,
  available = availableMemory(),
): string | undefined {
  if (temporaryBytes <= available) return undefined;
  const parts = Object.entries(held)
    .map(([what, tensors]) => [what, bytesOf(Object.values(tensors).map(({ shape }) => shape))] as const)
    .filter(([, bytes]) => bytes > 0);
  const there = parts.map(([what, bytes]) => `${what} ${formatMemory(bytes)}`).join(', ');
  return `A step needs about ${formatMemory(temporaryBytes)} of memory for gradients and activations, beside what is there (${there}), and ${formatMemory(available)} are free: the system may kill the run. ${advice}`;
}

/** Which settings to lower, with their current values. */
export function memoryAdvice({ batchSize, microBatches = 1 }: { batchSize: number; microBatches?: number }): string {
  const more = [
    `lower train.batchSize (now ${batchSize})`,
    `raise train.microBatches (now ${microBatches})`,
    'make the sequences shorter (dataset.lengthTokens, objective.maxSourceTokens)',
    'set model.rematerialize: block or objective.chunkTokens',
  ];
  const text = `${more.slice(0, -1).join(', ')}, or ${more.at(-1)!}.`;
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}

/** V8's errors if the system denies memory: RangeErrors without a code. */
const NO_MEMORY = /allocation failed|out of memory|invalid typed array length/i;

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof EngineError
    ? error.code === 'engine.out-of-memory'
    : error instanceof Error && error.name === 'RangeError' && NO_MEMORY.test(error.message);

/** Adds to an error of a step its batch and, if the memory was exhausted, which settings to lower. */
export function explainOutOfMemory(error: unknown, step: number, fields: HostFields, advice: string): unknown {
  if (!isOutOfMemory(error)) return error;
  const shapes = Object.entries(fields).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  const message = (error as Error).message.replace(/\.$/, '');
  return new EngineError(`Memory ran out at step ${step}: ${message}. Its batch is ${shapes.join(', ')}.`, {
    code: 'engine.out-of-memory',
    hint: advice,
    cause: error,
  });
}
