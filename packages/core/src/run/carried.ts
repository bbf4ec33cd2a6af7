import { CheckpointReader, type TensorSource } from '@graft/checkpoint';
import type { Model } from '../interfaces';

/** Tensors that no parameter reads and that checkpoints keep; their bytes are read when a checkpoint is written. */
export interface CarriedTensors {
  readonly tensors: readonly TensorSource[];
  /** Closes the checkpoint that they are in. */
  dispose(): Promise<void>;
}

/** Their names in a checkpoint. */
export async function carriedIn(reader: CheckpointReader, model: Model): Promise<readonly string[]> {
  return (await model.storage?.(reader))?.carried ?? [];
}

/** Those of a checkpoint folder, which stays open: it may be removed meanwhile. undefined if it has none. */
export async function openCarried(folder: string, model: Model): Promise<CarriedTensors | undefined> {
  const reader = await CheckpointReader.open(folder);
  try {
    const carried = await carriedIn(reader, model);
    if (carried.length > 0)
      return { tensors: carried.map((name) => reader.source(name)), dispose: () => reader.close() };
  } catch (error) {
    await reader.close();
    throw error;
  }
  await reader.close();
  return undefined;
}
