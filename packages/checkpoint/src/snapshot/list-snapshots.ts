import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unreadable } from '../safetensors/problems';

/** N of `step-N`; undefined for other names. */
export function stepOf(name: string): number | undefined {
  const step = Number(/^step-(0|[1-9]\d*)$/.exec(name)?.[1] ?? NaN);
  return Number.isSafeInteger(step) ? step : undefined;
}

/** Snapshots in a run's checkpoints folder, oldest first; none if there is no such folder. */
export async function listSnapshots(checkpoints: string): Promise<{ step: number; folder: string }[]> {
  const entries = await readdir(checkpoints, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return [];
    throw unreadable(checkpoints, cause);
  });
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .flatMap(({ name }) => {
      const step = stepOf(name);
      return step === undefined ? [] : [{ step, folder: join(checkpoints, name) }];
    })
    .sort((a, b) => a.step - b.step);
}
