import { GraftError } from '@graft/engine';
import { reasonOf } from './reason';

/** Training that cannot go on: numbers that are no longer finite, a component that fails in the middle. */
export class TrainingError extends GraftError {}

/** Closes the sentence on what stopped the training: how much of it is safe. */
export const lastGood = (checkpoint: string | undefined): string =>
  checkpoint ? `The last good checkpoint is ${checkpoint}.` : 'No checkpoint was written before it.';

/** An error of a component, with the place where it happened; Graft's own errors say that themselves. */
export function failedAt(where: string, cause: unknown): unknown {
  if (cause instanceof GraftError) return cause;
  return new TrainingError(`${where} failed: ${reasonOf(cause)}.`, {
    code: 'training.component',
    cause,
  });
}
