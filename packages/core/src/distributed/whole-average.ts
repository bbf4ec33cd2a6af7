import type { tf } from '@graft/engine';
import type { Parameters } from '../interfaces';
import type { OptimizerShards, ShardSpec } from './optimizer-shards';

/** At worker 0: calls `use` with the whole moving average, whose shards the other workers send meanwhile (`sendToWorker0`). */
export async function withWholeAverage(
  shards: OptimizerShards,
  specs: readonly ShardSpec[],
  own: Parameters,
  use: (average: Parameters) => Promise<void>,
): Promise<void> {
  const remote = new Map<string, tf.Tensor>();
  try {
    for (const [name, stored] of Object.entries(shards.atWorker0(specs, own)))
      if ('fetch' in stored) remote.set(name, await stored.fetch());
    await use(Object.fromEntries(specs.map(({ name }) => [name, remote.get(name) ?? own[name]] as const)));
  } finally {
    for (const tensor of remote.values()) tensor.dispose();
  }
}
