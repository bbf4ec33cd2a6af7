import { EngineError, GraftError } from '@graft/engine';
import { blamedEngineError } from './engine-error';
import { reasonOf } from './reason';

/** Training that cannot continue: non-finite numbers, or a component that fails. */
export class TrainingError extends GraftError {}

/** Completes the sentence about the error: how much of the training is saved. */
export const lastGood = (checkpoint: string | undefined): string =>
  checkpoint ? `The last good checkpoint is ${checkpoint}.` : 'No checkpoint was written before it.';

/** An error of a component or of the engine in it, with the place where it happened; Graft's others are passed on. */
export function failedAt(where: string, cause: unknown): unknown {
  if (cause instanceof EngineError) return blamedEngineError(where, cause);
  if (cause instanceof GraftError) return cause;
  return new TrainingError(`${where} failed: ${reasonOf(cause)}.`, {
    code: 'training.component',
    cause,
  });
}
