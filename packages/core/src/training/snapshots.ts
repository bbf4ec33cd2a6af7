import {
  listSnapshots,
  loadSnapshotState,
  openSnapshotOptimizer,
  CheckpointReader,
  pruneSnapshots,
  saveSnapshot,
  snapshotFolder,
  type TensorSource,
} from '@graft/checkpoint';
import { CheckpointError, tf } from '@graft/engine';
import type { JsonValue, Model, OptimizerState, Parameters } from '../interfaces';

/** What the trainer keeps beside parameters and optimizer state. */
export interface TrainerState {
  readonly step: number;
  readonly seed: number;
  /** Where the data stand: the position behind the last batch that was used. */
  readonly data: JsonValue;
}

function sources(tensors: Readonly<Record<string, tf.Tensor>>): TensorSource[] {
  return Object.entries(tensors).map(([name, tensor]) => ({
    name,
    dtype: tensor.dtype === 'int32' ? 'I32' : 'F32',
    shape: tensor.shape,
    data: () => tensor.data() as Promise<Float32Array | Int32Array>,
  }));
}

export interface SnapshotContents {
  readonly model: Model;
  readonly parameters: Parameters;
  readonly optimizer: OptimizerState;
  readonly state: TrainerState;
}

/** Writes `checkpoints/step-N` and removes what is beyond the newest `keep`. */
export async function writeSnapshot(checkpoints: string, keep: number, contents: SnapshotContents): Promise<string> {
  const folder = snapshotFolder(checkpoints, contents.state.step);
  await saveSnapshot(folder, {
    model: { config: contents.model.checkpointConfig, tensors: sources(contents.parameters) },
    optimizer: sources(contents.optimizer),
    state: contents.state,
  });
  await pruneSnapshots(checkpoints, keep);
  return folder;
}

/** The newest snapshot that is whole; undefined where there is none. */
export async function findSnapshot(checkpoints: string): Promise<{ folder: string; state: TrainerState } | undefined> {
  const newest = (await listSnapshots(checkpoints)).pop();
  if (!newest) return undefined;
  return { folder: newest.folder, state: (await loadSnapshotState(newest.folder)) as unknown as TrainerState };
}

/** Replaces the values of `tensors` (disposing them) by those stored under the same names. */
async function refill(
  tensors: Record<string, tf.Tensor>,
  reader: { tensors: ReadonlyMap<string, { shape: readonly number[]; dtype: string }>; readFloat32(name: string): Promise<Float32Array>; readInt32(name: string): Promise<Int32Array> },
  where: string,
): Promise<void> {
  for (const [name, tensor] of Object.entries(tensors)) {
    const info = reader.tensors.get(name);
    if (info?.shape.join() !== tensor.shape.join()) {
      throw new CheckpointError(
        `${where}: "${name}" should have shape [${tensor.shape.join(', ')}], but ${info ? `has [${info.shape.join(', ')}]` : 'is missing'}.`,
        { code: 'checkpoint.snapshot-mismatch', hint: 'Resume with the config that the run was started with.' },
      );
    }
    const values = info.dtype === 'I32' ? await reader.readInt32(name) : await reader.readFloat32(name);
    tensors[name] = tf.tensor(values, tensor.shape, tensor.dtype as 'float32' | 'int32');
    tensor.dispose();
  }
}

export async function readSnapshot(folder: string, parameters: Parameters, optimizer: OptimizerState): Promise<void> {
  const checkpoint = await CheckpointReader.open(folder);
  try {
    await refill(parameters, checkpoint, folder);
  } finally {
    await checkpoint.close();
  }
  const state = await openSnapshotOptimizer(folder);
  try {
    await refill(optimizer, state, folder);
  } finally {
    await state.close();
  }
}
