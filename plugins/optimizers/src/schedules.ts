import { defineComponent, parseOptions, type Logger, type Schedule } from '@graft/core';
import { z } from 'zod';

const warmupSteps = z
  .int()
  .min(0)
  .default(0)
  .describe('Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.');

const decayingOptions = z.strictObject({
  warmupSteps,
  finalFactor: z.number().min(0).max(1).default(0).describe('Factor at the end of the decay and after it.'),
  decaySteps: z
    .int()
    .positive()
    .optional()
    .describe('Steps of the decay, after the warm-up. Default: the rest of the run.'),
});

/** The options of the schedule `constant`. */
export const constantOptions = z.strictObject({ warmupSteps });

/** The options of the schedule `cosine`. */
export const cosineOptions = decayingOptions;

/** The options of the schedule `linear`. */
export const linearOptions = decayingOptions;

/** What a config or code may write. */
export type ConstantOptions = z.input<typeof constantOptions>;
/** The same with every default filled in. */
export type ResolvedConstantOptions = z.output<typeof constantOptions>;
/** What a config or code may write. */
export type DecayingOptions = z.input<typeof decayingOptions>;
/** The same with every default filled in. */
export type ResolvedDecayingOptions = z.output<typeof decayingOptions>;

/**
 * A warm-up followed by a curve: `shape` maps the fraction of the decay that is done, in [0, 1], to a factor that falls
 * from 1 to 0. The first step is never wasted on a factor of 0.
 *
 *     warmupSteps 2, linear, finalFactor 0, of 6 steps   ->   0.5, 1, 1, 0.75, 0.5, 0.25
 */
function decaying(
  { warmupSteps: warmup, finalFactor, decaySteps }: ResolvedDecayingOptions,
  shape: (done: number) => number,
): Schedule {
  return {
    factor: (step, totalSteps) => {
      if (step < warmup) return (step + 1) / warmup;
      const length = decaySteps ?? Math.max(1, totalSteps - warmup);
      return finalFactor + (1 - finalFactor) * shape(Math.min(1, (step - warmup) / length));
    },
  };
}

/** 1 after the warm-up. */
export function constantSchedule(options: ConstantOptions = {}): Schedule {
  const parsed = parseOptions(constantOptions, options, 'the constant schedule');
  return decaying({ ...parsed, finalFactor: 1 }, () => 1);
}

/** Half a cosine from 1 to `finalFactor` after the warm-up. */
export function cosineSchedule(options: DecayingOptions = {}): Schedule {
  return decaying(
    parseOptions(cosineOptions, options, 'the cosine schedule'),
    (done) => (1 + Math.cos(Math.PI * done)) / 2,
  );
}

/** A straight line from 1 to `finalFactor` after the warm-up. */
export function linearSchedule(options: DecayingOptions = {}): Schedule {
  return decaying(parseOptions(linearOptions, options, 'the linear schedule'), (done) => 1 - done);
}

/**
 * sqrt(warmupSteps / steps done) after the warm-up (T5's schedule), where a `warmupSteps` of 0 counts as 1; it does not
 * depend on the length of the run.
 *
 *     warmupSteps 4   ->   0.25, 0.5, 0.75, 1, 0.894 (5 steps done), ..., 0.5 (16 steps done)
 */
export function inverseSquareRootSchedule(options: ConstantOptions = {}): Schedule {
  const { warmupSteps: warmup } = parseOptions(constantOptions, options, 'the inverse-sqrt schedule');
  const peak = Math.max(1, warmup);
  return { factor: (step) => (step < warmup ? (step + 1) / warmup : Math.sqrt(peak / Math.max(peak, step + 1))) };
}

/** The schedule, which warns once if the run ends before the warm-up does. */
export function warningOfLongWarmup(
  schedule: Schedule,
  { warmupSteps: warmup }: ResolvedConstantOptions,
  logger: Logger,
): Schedule {
  let warned = false;
  return {
    factor: (step, totalSteps) => {
      if (warmup > totalSteps && !warned) {
        warned = true;
        logger.warn(
          `schedule.warmupSteps is ${warmup}, but there are ${totalSteps} steps: the learning rate never gets to its full height.`,
        );
      }
      return schedule.factor(step, totalSteps);
    },
  };
}

export const constant = defineComponent({
  interface: 'schedule',
  id: 'constant',
  description: 'the base learning rate, after a linear warm-up',
  options: constantOptions,
  useFactory: ({ options, logger }) => warningOfLongWarmup(constantSchedule(options), options, logger),
});

export const cosine = defineComponent({
  interface: 'schedule',
  id: 'cosine',
  description: 'half a cosine down to a last factor, after a linear warm-up',
  options: cosineOptions,
  useFactory: ({ options, logger }) => warningOfLongWarmup(cosineSchedule(options), options, logger),
});

export const inverseSquareRoot = defineComponent({
  interface: 'schedule',
  id: 'inverse-sqrt',
  description: 'falls with the root of the steps done, after a linear warm-up, whatever the length of the run',
  options: constantOptions,
  useFactory: ({ options, logger }) => warningOfLongWarmup(inverseSquareRootSchedule(options), options, logger),
});

export const linear = defineComponent({
  interface: 'schedule',
  id: 'linear',
  description: 'a straight line down to a last factor, after a linear warm-up',
  options: linearOptions,
  useFactory: ({ options, logger }) => warningOfLongWarmup(linearSchedule(options), options, logger),
});
