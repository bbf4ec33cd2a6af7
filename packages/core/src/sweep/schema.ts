/** What a sweep's file may say. */
import { z } from 'zod';
import { pathOption } from '../config/options';
import { PlainSections } from '../config/schema';

const KEY = /^[^\s.=]+(\.[^\s.=]+)*$/;

const configKey = (): z.ZodString =>
  z.string().regex(KEY, 'expected a key of a config with points between its parts, such as optimizer.learningRate');

const Settings = z.record(configKey(), z.unknown());

const RangeSection = z
  .strictObject({
    from: z.number().describe('the smallest value'),
    to: z.number().describe('the largest value'),
    scale: z
      .enum(['linear', 'log'])
      .default('linear')
      .describe('log: every factor is as probable as any other, which learning rates want'),
    whole: z.boolean().default(false).describe('only whole numbers'),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], error: 'expected more than "from"' })
  .refine(({ from, scale }) => scale === 'linear' || from > 0, {
    path: ['from'],
    error: 'expected more than 0 for the scale log',
  })
  .refine(({ from, to, whole }) => !whole || Math.ceil(from) <= Math.floor(to), {
    path: ['to'],
    error: 'expected a whole number between "from" and "to"',
  });

const ChoiceSection = z.strictObject({
  values: z.array(z.unknown()).min(1).describe('values that are all equally probable'),
});

/** What a value is drawn from. */
export type Distribution = z.output<typeof RangeSection> | z.output<typeof ChoiceSection>;

const RandomSection = z.strictObject({
  trials: z.number().int().positive().describe('how many settings are drawn'),
  seed: z.number().int().default(0).describe('what the draws depend on; a larger `trials` keeps the earlier ones'),
  keys: z
    .record(configKey(), z.union([RangeSection, ChoiceSection]))
    .refine((keys) => Object.keys(keys).length > 0, 'expected at least one key')
    .describe('for each key of the config, what its value is drawn from'),
});

const Shares = z
  .record(configKey(), z.number().min(0).max(1))
  .describe('keys of the config that are numbers of steps, as shares of train.steps');

const ArmSection = z.strictObject({
  label: z.string().trim().min(1).max(60).describe('what the table calls it'),
  config: pathOption().optional().describe('its config. Default: that of the sweep'),
  set: Settings.default({}).describe('keys of the config and their values'),
  shares: Shares.default({}),
});

const SeedsSection = z.union([z.number().int().positive(), z.array(z.number().int()).min(1)]);

const MatchSection = z
  .strictObject({
    by: z
      .enum(['parameters', 'training-flops', 'latency'])
      .describe(
        'what must agree: numbers of parameters; operations of all training steps, for which train.steps of the others is set; or the time to generate a text',
      ),
    to: z.string().optional().describe('the label of the arm that the others match. Default: the first one'),
    tolerance: z.number().positive().default(0.05).describe('largest relative difference; others are refused'),
    sourceTokens: z.number().int().positive().optional().describe('with latency: length of the input. Default: 128'),
    newTokens: z.number().int().positive().optional().describe('with latency: tokens to generate. Default: 32'),
  })
  .refine(({ by, sourceTokens, newTokens }) => by === 'latency' || (sourceTokens ?? newTokens) === undefined, {
    error: 'sourceTokens and newTokens belong to "by: latency"',
  });

export type MatchSection = z.output<typeof MatchSection>;

const MetricSection = z.strictObject({
  metric: z.string().min(1).describe('EVALUATOR/METRIC, such as loss/loss, or a number of the training: loss, seconds'),
  better: z.enum(['less', 'more']).describe('which of two values is better: the smaller or the larger one'),
});

/** The keys of a sweep's file. */
const SweepKeys = z.strictObject({
  name: PlainSections.name.optional().describe('the name of its runs. Default: that of the file'),
  config: pathOption().optional().describe('the config of all trials, as `graft run` takes it'),
  set: Settings.default({}).describe('keys of the config and their values, for all trials'),
  shares: Shares.default({}),
  list: z.array(ArmSection).min(1).optional().describe('arms, each with a label and settings of its own'),
  grid: z
    .record(configKey(), z.array(z.unknown()).min(1))
    .optional()
    .describe('for each key of the config, its values; all combinations are tried'),
  random: RandomSection.optional().describe('settings that are drawn at random'),
  evaluate: z
    .boolean()
    .default(false)
    .describe('trials evaluate a model as `graft evaluate` does, without training: configs need no training sections'),
  seeds: SeedsSection.optional().describe(
    "seeds with which everything is repeated: a list, or how many, from 0. Default: the config's",
  ),
  match: MatchSection.optional().describe('makes arms comparable, and refuses those that are not'),
  metrics: z
    .array(MetricSection)
    .optional()
    .describe('metrics of the table and which of two values is better. Default: those whose direction is known'),
  runs: pathOption().optional().describe("the folder of all runs. Default: the config's"),
});

/** A sweep as its file says it. */
export const SweepSection = SweepKeys.refine(({ evaluate, match }) => !evaluate || !match, {
  path: ['match'],
  error: 'matches trainings, but the trials of this sweep only evaluate (`evaluate: true`)',
}).refine(
  ({ evaluate, shares, list = [] }) =>
    !evaluate || [shares, ...list.map((arm) => arm.shares)].every((own) => Object.keys(own).length === 0),
  { path: ['shares'], error: 'are shares of the steps of a training, but the trials of this sweep only evaluate' },
);

export type SweepSection = z.output<typeof SweepSection>;
