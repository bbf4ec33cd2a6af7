import type { EpochResult, Trial } from './fine-tune';
import type { TrialRecord } from './trial-store';

/** Every combination, in the order in which they are tried. */
export function grid({
  learningRates,
  batchSizes,
  dropouts,
}: {
  learningRates: readonly number[];
  batchSizes: readonly number[];
  dropouts: readonly number[];
}): Trial[] {
  return batchSizes.flatMap((batchSize) =>
    dropouts.flatMap((dropout) => learningRates.map((learningRate) => ({ learningRate, batchSize, dropout }))),
  );
}

export interface Chosen {
  readonly record: TrialRecord;
  readonly epoch: EpochResult;
  /** From 1. */
  readonly epochNumber: number;
}

/**
 * The trial, and the pass of it, that counts for a task: the one with the highest accuracy on the validation set, of
 * equals the earliest. `select: last` looks at each trial's last pass alone. undefined where every trial diverged.
 */
export function choose(records: readonly TrialRecord[], select: 'best' | 'last'): Chosen | undefined {
  let best: Chosen | undefined;
  for (const record of records) {
    if (select === 'last' && record.diverged !== undefined) continue;
    const first = select === 'last' ? record.epochs.length - 1 : 0;
    for (let i = Math.max(0, first); i < record.epochs.length; i++) {
      const epoch = record.epochs[i];
      if (best === undefined || epoch.scores.accuracy > best.epoch.scores.accuracy)
        best = { record, epoch, epochNumber: i + 1 };
    }
  }
  return best;
}
