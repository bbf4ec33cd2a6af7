import { stepOf } from '@graft/checkpoint';
import { damagedSnapshot, loadSnapshotState, TRAINER_STATE_FILE, type Manifest } from '@graft/checkpoint/internal';
import { basename } from 'node:path';
import { z } from 'zod';
import { plainIssue } from '../data/field-problem';
import type { TrainerState } from '../training/run-sink';

const trainerState = z.strictObject({
  step: z.int().min(1),
  seed: z.int(),
  data: z.json(),
  metricsLines: z.int().min(0),
  callbacks: z.record(z.string(), z.json()).optional(),
  frozenDigest: z.string().optional(),
});

/** The values that a run's checkpoints must match. */
export interface Expected {
  readonly seed: number;
  /** Steps in the config. */
  readonly steps: number;
}

/**
 * The trainer's state in a snapshot. Checks the snapshot unless `checked` is given. Throws CheckpointError naming the
 * field that contradicts the folder's name or the config.
 */
export async function readTrainerState(
  folder: string,
  { seed, steps }: Expected,
  checked?: Manifest,
): Promise<TrainerState> {
  const wrong = (problem: string): Error => damagedSnapshot(folder, `${TRAINER_STATE_FILE} ${problem}`);
  const { success, data: state, error } = trainerState.safeParse(await loadSnapshotState(folder, checked));
  if (!success) {
    const [{ path, message }] = error.issues;
    throw wrong(`has no valid ${path.length > 0 ? `"state.${path.join('.')}"` : '"state"'} (${plainIssue(message)})`);
  }
  const named = stepOf(basename(folder));
  if (state.step !== named) throw wrong(`is that of step ${state.step}`);
  if (state.metricsLines !== state.step)
    throw wrong(`counts ${state.metricsLines} lines of metrics after ${state.step} steps`);
  if (state.seed !== seed) throw wrong(`has the seed ${state.seed}, but the run's is ${seed}`);
  if (state.step > steps) throw wrong(`is that of step ${state.step}, but the run has ${steps} steps`);
  return state as TrainerState;
}
