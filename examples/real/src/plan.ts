/** How long every arm trains. */
import { UsageError } from '@graft/core';

/** What the first evaluation of an arm and a short run showed. */
export interface Measured {
  readonly stepSeconds: number;
  /** One evaluation of the held-out rows. */
  readonly evaluationSeconds: number;
  /** Everything else of a training: loading, compiling, saving half way and at the end. */
  readonly overheadSeconds: number;
}

export interface PlanRequest {
  /** For the training of all arms, evaluations included. */
  readonly seconds: number;
  readonly arms: readonly Measured[];
  /** Evaluations of each arm that are still to come. */
  readonly evaluations: number;
}

/** With fewer the curves have no shape. */
export const LEAST_STEPS = 5;
/** Of the time, in case a machine is slower later than when it was measured. */
const RESERVE = 0.1;

/**
 * Steps of every arm, the same for all, so that the training of all arms takes at most the given seconds. Throws
 * UsageError with the seconds that would be enough if there are too few for five steps.
 */
export function chooseSteps({ seconds, arms, evaluations }: PlanRequest): number {
  const sum = (of: (arm: Measured) => number): number => arms.reduce((total, arm) => total + of(arm), 0);
  const fixed = sum(({ overheadSeconds, evaluationSeconds }) => overheadSeconds + evaluations * evaluationSeconds);
  const perStep = sum(({ stepSeconds }) => stepSeconds);
  const steps = Math.floor((seconds * (1 - RESERVE) - fixed) / perStep);
  if (steps >= LEAST_STEPS) return steps;
  const enough = (fixed + LEAST_STEPS * perStep) / (1 - RESERVE);
  const minutes = (value: number): string => (Math.max(0, value) / 60).toFixed(1);
  throw new UsageError(
    `Training ${arms.length} ${arms.length === 1 ? 'arm' : 'arms'} for ${LEAST_STEPS} steps takes ${minutes(enough)} minutes on this machine, but ${minutes(seconds)} are left for it.`,
    { code: 'real.too-short', hint: 'Raise --minutes, or name fewer arms with --arms. What was measured is kept.' },
  );
}

/** Steps after which an arm has read this many tokens. */
export function stepsForTokens(tokens: number, tokensPerRow: number, batchSize: number): number {
  return Math.max(LEAST_STEPS, Math.ceil(tokens / (tokensPerRow * batchSize)));
}

/** More epochs teach the rows by heart. */
const MOST_EPOCHS = 8;

/** As many steps as the rows are worth. */
export const stepsForRows = (rows: number, batchSize: number): number =>
  Math.max(LEAST_STEPS, Math.floor((rows * MOST_EPOCHS) / batchSize));
