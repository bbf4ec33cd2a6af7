import type { WorkerGroup } from '@graft/engine';
import { allLabelsIgnored, hasLabels } from '../data/batch-checks';
import { compareData, summary } from '../data/digest';
import type { LoadedBatch } from '../data/loader';

/** The purpose of a batch, and the workers that each have a part of it. */
interface BatchContext {
  readonly step: number;
  /** The name of the dataset in messages. */
  readonly dataset: string;
  /** Undefined if this process has the whole batch. */
  readonly group?: WorkerGroup;
}

/**
 * Tokens of the whole batch, of which the loader of each worker makes a part. Throws DataError if no part has a label,
 * or if the workers' data differ. undefined if the user stopped one of them while it waited for its data.
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
