import type { EpochResult, Trial } from './epochs';
import type { TrialRecord } from './trial-store';

/** Every combination, in the order in which they are tried. */
export function grid({
  learningRates,
  batchSizes,
  dropouts,
  modelDropouts,
}: {
  learningRates: readonly number[];
  batchSizes: readonly number[];
  /** Default: there is no head that drops numbers of its state. */
  dropouts?: readonly number[];
  modelDropouts?: readonly number[];
}): Trial[] {
  // Trials of runs that do not search it keep the form from before it could be searched.
  const models = modelDropouts?.map((modelDropout) => ({ modelDropout })) ?? [{}];
  const heads = dropouts?.map((dropout) => ({ dropout })) ?? [{}];
  return batchSizes.flatMap((batchSize) =>
    models.flatMap((model) =>
      heads.flatMap((head) => learningRates.map((learningRate) => ({ learningRate, batchSize, ...head, ...model }))),
    ),
  );
}

export interface Chosen {
  readonly record: TrialRecord;
  readonly epoch: EpochResult;
  /** From 1. */
  readonly epochNumber: number;
}

/**
 * The trial, and its epoch, that counts for a task: the one with the highest score `by` on the validation set, and of
 * equals the earliest. `select: last` uses only each trial's last epoch. A trial that diverged does not count.
 * undefined if all diverged.
 */
export function choose(records: readonly TrialRecord[], select: 'best' | 'last', by = 'accuracy'): Chosen | undefined {
  let best: Chosen | undefined;
  for (const record of records) {
    if (record.diverged !== undefined) continue;
    const first = select === 'last' ? record.epochs.length - 1 : 0;
    for (let i = Math.max(0, first); i < record.epochs.length; i++) {
      const epoch = record.epochs[i];
      if (best === undefined || epoch.scores[by] > best.epoch.scores[by]) best = { record, epoch, epochNumber: i + 1 };
    }
  }
  return best;
}
