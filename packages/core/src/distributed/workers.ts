import type { WorkerGroup } from '@graft/engine';
import type { OptimizerShards, ShardSpec } from './optimizer-shards';
import type { Reduce } from './sums';

/** This process as one of the workers that train together. Only worker 0 writes, evaluates and logs. */
export interface Workers {
  readonly rank: number;
  readonly count: number;
  readonly group: WorkerGroup;
  /** Sums gradients and metrics. */
  readonly reduce: Reduce;
  /** The sharding of the optimizer's state. Default: every worker has all of it. */
  readonly sharded?: { readonly shards: OptimizerShards; readonly state: readonly ShardSpec[] };
}

export function workersOf(group: WorkerGroup, sharded?: Workers['sharded']): Workers {
  const { rank, count } = group;
  return { rank, count, group, sharded, reduce: sumOver(group) };
}

/** Sums over the group: gradients and metrics are sent in the same buckets. */
function sumOver(group: WorkerGroup): Reduce {
  return async ({ gradients, numbers, names, counts }) => {
    const keys = Object.keys(gradients);
    const sums = await group.sum([...keys.map((key) => gradients[key]), numbers]);
    return {
      gradients: Object.fromEntries(keys.map((key, i) => [key, sums[i]])),
      numbers: sums[keys.length] as typeof numbers,
      names,
      counts,
    };
  };
}
