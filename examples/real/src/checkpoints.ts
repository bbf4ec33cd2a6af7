import { findCheckpoints, UsageError } from '@graft/core';

/** The newest checkpoint of a run. */
export async function lastCheckpoint(run: string): Promise<string> {
  const { found } = await findCheckpoints(run);
  const newest = found?.snapshots.at(-1);
  if (newest) return newest.folder;
  throw new UsageError(`The run ${run} has no checkpoint any more.`, {
    code: 'real.no-checkpoint',
    hint: 'Remove the folder of the run to train the arm again.',
  });
}
