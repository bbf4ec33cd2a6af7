import type { WorkerGroup } from '@graft/engine';
import { allLabelsIgnored, hasLabels } from '../data/batch-checks';
import { compareData, summary } from '../data/digest';
import type { LoadedBatch } from '../data/loader';

/** What a batch is for, and the workers that each have a part of it. */
interface BatchContext {
  readonly step: number;
  /** What messages call the dataset. */
  readonly dataset: string;
  /** Undefined where this process has all of the batch. */
  readonly group?: WorkerGroup;
}

/**
 * Tokens of the whole batch: the loader of each worker makes a part of it. Throws DataError where no part has a label, or the
 * workers' data are not the same. undefined where the user stopped one of them while it waited for its data.
 */
export async function tokensOfAll(
  batch: LoadedBatch | undefined,
  { step, dataset, group }: BatchContext,
): Promise<number | undefined> {
  if (!group) return batch?.tokens;
  const own = batch && { tokens: batch.tokens, labelled: hasLabels(batch.fields), data: summary(batch.digests!) };
  const everyone = await group.exchange(own ?? null);
  const parts = everyone.filter((part) => part !== null);
  if (!batch || parts.length < everyone.length) return undefined;
  const { digests } = batch;
  await compareData({
    step,
    dataset,
    addresses: group.addresses,
    own: digests!,
    all: parts.map(({ data }) => data),
    exchange: (own) => group.exchange(own),
  });
  if (!parts.some((part) => part.labelled)) throw allLabelsIgnored(`The batch for step ${step}`);
  return parts.reduce((sum, part) => sum + part.tokens, 0);
}
