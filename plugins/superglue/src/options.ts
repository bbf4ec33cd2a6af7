import { componentOption, pathOption } from '@graft/core';
import { z } from 'zod';
import { TASKS } from './tasks';

const taskIds = TASKS.map(({ id }) => id);
const listOf = <S extends z.ZodType>(item: S): z.ZodArray<S> => z.array(item).min(1);

/** Ways to evaluate the benchmark. */
export const MODES = ['paper', 'leaderboard', 'prompted'] as const;
export type Mode = (typeof MODES)[number];

const shape = {
  mode: z
    .enum(MODES)
    .default('paper')
    .describe(
      "`paper`: a classification head, and accuracy; `leaderboard`: text to text, with the benchmark's own metrics and a submission; `prompted`: without fine-tuning, as the tasks of `benchmarks`.",
    ),
  folder: pathOption().describe("The benchmark's folder: one folder per task, each with train.jsonl and val.jsonl."),
  tasks: listOf(z.enum(taskIds)).default(taskIds).describe('The tasks to evaluate.'),
  tokenizer: componentOption('tokenizer').describe(
    'The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side, of which in mode `paper` the encoder counts.',
  ),
  maxTokens: z
    .int()
    .min(8)
    .default(512)
    .describe('Longest sequence in tokens, special tokens included; in mode `leaderboard` without the answer.'),
  longInputs: z
    .enum(['shorten', 'error'])
    .default('shorten')
    .describe('`shorten`: the passage of a longer sequence loses its end; `error`: a longer one is an error.'),
  prependBos: z
    .boolean()
    .optional()
    .describe(
      "Mode `paper`: whether the start token is put before the text. Default: the model's policy for special tokens.",
    ),
  appendEos: z
    .boolean()
    .optional()
    .describe(
      "Mode `paper`: whether the end token, whose state the head then reads, is put behind the text. Default: the model's policy for special tokens; `auto` means true here.",
    ),
  trainRows: z
    .int()
    .positive()
    .optional()
    .describe(
      'Rows of train.jsonl to fine-tune on, drawn for each task and seed: all points of the grid have the same, other seeds others. Default: all.',
    ),
  learningRates: listOf(z.number().positive())
    .default([1e-5, 3e-5, 1e-4])
    .describe(
      'Learning rates of the grid, which is searched for each task separately (paper, section 4, which does not state its values).',
    ),
  batchSizes: listOf(z.int().positive()).default([32]).describe('Batch sizes of the grid, in sequences.'),
  dropouts: listOf(z.number().min(0).lt(1))
    .default([0.1])
    .describe('Mode `paper`: dropout rates of the grid, on the state that the head reads.'),
  modelDropouts: listOf(z.number().min(0).lt(1))
    .optional()
    .describe(
      "Dropout rates of the grid in every place that the model has. Default: the model's own rates, which are not searched.",
    ),
  epochs: z.int().positive().default(10).describe("Epochs over a task's training examples."),
  maxSteps: z
    .int()
    .positive()
    .optional()
    .describe('Maximum number of optimizer steps, whatever the epochs. Default: no limit.'),
  select: z
    .enum(['best', 'last'])
    .default('best')
    .describe("The epoch whose score counts: a trial's best, or its last."),
  seeds: z
    .int()
    .positive()
    .default(1)
    .describe(
      'Fine-tunings of the chosen point of the grid, each with another head, order, dropout and, with `trainRows`, other rows: the numbers are their means, with an interval.',
    ),
  optimizer: componentOption('optimizer')
    .default({ use: 'adamw', learningRate: 1e-4, clipNorm: 1 })
    .describe('The optimizer. Its own learning rate has no effect: those of the grid are used.'),
  schedule: componentOption('schedule').default({ use: 'constant' }).describe('The schedule of the learning rate.'),
  objective: componentOption('objective')
    .optional()
    .describe(
      'Mode `leaderboard`: what trains on `source` and `target`. Default: `seq2seq`; for a decoder-only model `causal-lm` with `input: pairs`.',
    ),
  answers: z
    .enum(['written', 'chosen'])
    .default('written')
    .describe(
      'Mode `leaderboard`: `written`: greedily, and a text that names none of the labels is wrong, as in T5; `chosen`: the most probable label or entity. WSC is always written.',
    ),
  predict: z
    .enum(['test', 'val', 'none'])
    .default('test')
    .describe(
      'Mode `leaderboard`: the set of the submission. `test`: of each task that has a test.jsonl; `val`: of val.jsonl; `none`: there is no submission.',
    ),
};

type Name = keyof typeof shape;

/** Options that not every mode reads. */
const MODES_OF: Readonly<Partial<Record<Name, readonly Mode[]>>> = {
  ...Object.fromEntries(['prependBos', 'appendEos', 'dropouts'].map((name) => [name, ['paper']])),
  ...Object.fromEntries(['objective', 'answers', 'predict'].map((name) => [name, ['leaderboard']])),
  // Not the optimizer and the schedule: loading a config completes them, so that a default is not recognized.
  ...Object.fromEntries(
    'maxTokens longInputs trainRows learningRates batchSizes modelDropouts epochs maxSteps select seeds'
      .split(' ')
      .map((name) => [name, ['paper', 'leaderboard']]),
  ),
};

/** A resolved config has every default, which says nothing. */
const DEFAULTS = z
  .strictObject({ ...shape, folder: z.undefined(), tokenizer: z.undefined() })
  .partial()
  .parse({}) as Readonly<Partial<Record<Name, unknown>>>;

/** The options of the evaluator `superglue`. */
export const superGlueOptions = z.strictObject(shape).superRefine((options, context) => {
  for (const [name, modes] of Object.entries(MODES_OF) as [Name, readonly Mode[]][]) {
    const isDefault = JSON.stringify(options[name]) === JSON.stringify(DEFAULTS[name]);
    if (modes.includes(options.mode) || isDefault) continue;
    context.addIssue({
      code: 'custom',
      path: [name],
      message: `belongs to mode ${modes.join(' or ')} and has no effect in mode ${options.mode}: leave it out`,
    });
  }
});

/** What a config or code may write. */
export type SuperGlueOptions = z.input<typeof superGlueOptions>;
/** The same with every default filled in. */
export type ResolvedSuperGlueOptions = z.output<typeof superGlueOptions>;
