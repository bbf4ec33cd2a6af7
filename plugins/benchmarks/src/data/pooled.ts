import type { TaskSet } from '@graft/core';
import type { ReadRows } from './benchmark-files';

/**
 * The rows of one file, with those of another as examples. The second is read only if examples are asked for, so that a
 * task without them needs one file.
 */
export async function pooled<Row>(
  shots: number,
  read: (names: readonly string[]) => Promise<ReadRows<Row>>,
  names: readonly string[],
  poolNames: readonly string[],
): Promise<readonly TaskSet<Row>[]> {
  const { rows } = await read(names);
  if (shots === 0) return [{ rows, pool: [], poolName: '' }];
  const { rows: pool, file: poolName } = await read(poolNames);
  return [{ rows, pool, poolName }];
}
