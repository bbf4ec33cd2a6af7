import {
  bootstrapMean,
  componentOption,
  createRandom,
  DataError,
  defineComponent,
  GraftError,
  parseOptions,
  pathOption,
  checkSide,
  sidesOf,
  tokenizerClash,
  tokensOfSide,
  type EvaluationContext,
  type Evaluator,
  type Logger,
  type Model,
  type Optimizer,
  type RunInfo,
  type Schedule,
  type Tokenizer,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { join } from 'node:path';
import { z } from 'zod';
import { encodeExamples, type EncodedExample } from './encode-examples';
import { DivergedError, FineTuner, type EpochResult, type Trial } from './fine-tune';
import { specialsAround, type Around } from './specials-around';
import { choose, grid, type Chosen } from './grid';
import { readTask, TASKS, type PlacedExample, type SuperGlueTask } from './tasks';
import { TrialStore, type TrialRecord } from './trial-store';

const taskIds = TASKS.map(({ id }) => id);
const listOf = <S extends z.ZodType>(item: S): z.ZodArray<S> => z.array(item).min(1);

/** The options of the evaluator `superglue`. */
export const superGlueOptions = z.strictObject({
  folder: pathOption().describe("The benchmark's folder: one folder per task, each with train.jsonl and val.jsonl."),
  tasks: listOf(z.enum(taskIds)).default(taskIds).describe('The tasks to evaluate.'),
  tokenizer: componentOption('tokenizer').describe(
    'The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side, of which the encoder counts.',
  ),
  maxTokens: z.int().min(8).default(512).describe('Longest sequence in tokens, special tokens included.'),
  longInputs: z
    .enum(['shorten', 'error'])
    .default('shorten')
    .describe('`shorten`: the passage of a longer sequence loses its end; `error`: a longer one is an error.'),
  prependBos: z
    .boolean()
    .optional()
    .describe("Whether the start token is put before the text. Default: the model's policy for special tokens."),
  appendEos: z
    .boolean()
    .optional()
    .describe(
      "Whether the end token, whose state the head then reads, is put behind the text. Default: the model's policy for special tokens; `auto` means true here.",
    ),
  learningRates: listOf(z.number().positive())
    .default([1e-5, 3e-5, 1e-4])
    .describe(
      'Learning rates of the grid, which is searched for each task separately (paper, section 4, which does not state its values).',
    ),
  batchSizes: listOf(z.int().positive()).default([32]).describe('Batch sizes of the grid, in sequences.'),
  dropouts: listOf(z.number().min(0).lt(1))
    .default([0.1])
    .describe('Dropout rates of the grid, on the state that the head reads.'),
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
    .describe("The epoch whose accuracy counts: a trial's best, or its last."),
  seeds: z
    .int()
    .positive()
    .default(1)
    .describe(
      'Fine-tunings of the chosen point of the grid, each with another head, order and dropout: the numbers are their means, with an interval.',
    ),
  optimizer: componentOption('optimizer')
    .default({ use: 'adamw', learningRate: 1e-4, clipNorm: 1 })
    .describe('The optimizer. Its own learning rate has no effect: those of the grid are used.'),
  schedule: componentOption('schedule').default({ use: 'constant' }).describe('The schedule of the learning rate.'),
});

/** What a config or code may write. */
export type SuperGlueOptions = z.input<typeof superGlueOptions>;
/** The same with every default filled in. */
export type ResolvedSuperGlueOptions = z.output<typeof superGlueOptions>;

interface Parts {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly logger: Logger;
  readonly run?: RunInfo;
}

interface TaskData {
  readonly train: readonly EncodedExample[];
  readonly val: readonly EncodedExample[];
}

/** The search of one task's grid. */
interface Search {
  readonly task: SuperGlueTask;
  /** For the progress: `boolq (1 of 9)`. */
  readonly place: string;
  readonly data: TaskData;
  readonly tuner: FineTuner;
  readonly store: TrialStore;
}

/**
 * SuperGLUE with the paper's protocol (section 4): for each task the model's encoder and a fresh head on its last token
 * are fine-tuned on the training set, for every point of a grid; the accuracy on the validation set counts.
 *
 * Returns `<task>/accuracy` and the benchmark's own metrics, `<task>/majority` (the accuracy of always predicting the
 * most frequent class), the choice (`<task>/learningRate`, `/batchSize`, `/dropout`, `/modelDropout`, `/epoch`), and
 * `mean`: of the accuracies of the paper's seven tasks, without ReCoRD; `partialMean` where only some of the seven were
 * evaluated. With several seeds, scores are means, and `/accuracyLow`, `/accuracyHigh`, `meanLow` and `meanHigh` the ends of
 * their 95 % bootstrap intervals.
 */
export class SuperGlueEvaluator implements Evaluator {
  private readonly options: ResolvedSuperGlueOptions;

  /** `options` name tokenizer, optimizer and schedule as well: what determines a trial's numbers is stored with it. */
  constructor(
    private readonly parts: Parts,
    options: SuperGlueOptions,
  ) {
    this.options = parseOptions(superGlueOptions, options, 'SuperGlueEvaluator');
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { engine, optimizer, schedule, run, tokenizer, logger } = this.parts;
    const { options } = this;
    const { model } = context;
    const reads = readingTokenizer(tokenizer, model);
    const { specialTokens } = tokensOfSide(model, 'encoder');
    const clash = tokenizerClash(reads, { kind: model.kind, specialTokens });
    if (clash !== undefined) logger.warn(clash);
    const around = specialsAround(context.model, options);
    const tasks = TASKS.filter(({ id }) => options.tasks.includes(id));
    // Everything is read before the first step, so that a missing file is not discovered after hours.
    const data = new Map<SuperGlueTask, TaskData>();
    if (options.modelDropouts && !context.model.dropout) {
      throw new DataError('modelDropouts names rates of dropout, but this model has no place for it.', {
        code: 'superglue.no-dropout',
        exitCode: 2,
        hint: 'Leave modelDropouts out.',
      });
    }
    for (const task of tasks) data.set(task, await this.read(task, around, reads));
    const store = new TrialStore(run && join(run.folder, 'superglue'));
    const tuner = new FineTuner(engine, context.model, optimizer, schedule, options);
    const numbers: Record<string, number> = {};
    const counting: (readonly (number | undefined)[])[] = [];
    try {
      for (const [index, task] of tasks.entries()) {
        const own = data.get(task)!;
        const place = `${task.id} (${index + 1} of ${tasks.length})`;
        const search = { task, place, data: own, tuner, store };
        const chosen = await this.search(search, context);
        const epochs = [chosen.epoch, ...(await this.repeat(search, chosen.record.trial, context))];
        Object.assign(numbers, taskNumbers(task, own, chosen, epochs));
        if (task.inMean) counting.push(epochs.map((epoch) => epoch?.scores.accuracy));
      }
    } finally {
      tuner.dispose();
    }
    if (counting.length === 0) return numbers;
    const whole = counting.length === TASKS.filter(({ inMean }) => inMean).length;
    return { ...numbers, ...intervalNumbers(whole ? 'mean' : 'partialMean', meansBySeed(counting)) };
  }

  private async read(task: SuperGlueTask, around: Around, tokenizer: Tokenizer): Promise<TaskData> {
    const { folder } = this.options;
    const train = await readTask(folder, task, 'train');
    const val = await readTask(folder, task, 'val');
    const all = [...train, ...val];
    const encode = (part: 'train' | 'val', examples: readonly PlacedExample[]): readonly EncodedExample[] => {
      const where = join(folder, task.folder, `${part}.jsonl`);
      const { encoded, shortened } = encodeExamples(examples, tokenizer, { ...this.options, ...around }, all);
      if (encoded.length === 0) throw new DataError(`${where} holds no examples.`, { code: 'superglue.empty' });
      if (shortened > 0)
        this.parts.logger.warn(
          `${where}: ${shortened} of ${encoded.length} examples are longer than ${this.options.maxTokens} tokens; their passage loses its end.`,
        );
      return encoded;
    };
    return { train: encode('train', train), val: encode('val', val) };
  }

  /** The grid of one task. */
  private async search(search: Search, context: EvaluationContext): Promise<Chosen> {
    const { task } = search;
    const records: TrialRecord[] = [];
    const trials = grid(this.options);
    for (const [index, trial] of trials.entries())
      records.push(await this.done(search, trial, context, `${search.place}, trial ${index + 1} of ${trials.length}`));
    const chosen = choose(records, this.options.select, task.selectBy);
    if (chosen) return chosen;
    throw new GraftError(`Fine-tuning on ${task.id} diverged at every point of the grid: ${records[0].diverged}`, {
      code: 'superglue.diverged',
      hint: 'Lower learningRates, or clip gradients (optimizer.clipNorm).',
    });
  }

  /** The epochs that count when the chosen trial is repeated with other random numbers; undefined: it diverged. */
  private async repeat(search: Search, trial: Trial, context: EvaluationContext): Promise<(EpochResult | undefined)[]> {
    const { seeds, select } = this.options;
    const epochs: (EpochResult | undefined)[] = [];
    for (let seed = 1; seed < seeds; seed++) {
      const random = context.random.fork('seed').fork(seed);
      const part = `${search.place}, seed ${seed + 1} of ${seeds}`;
      const record = await this.done(search, trial, { ...context, random }, part);
      const epoch = choose([record], select, search.task.selectBy)?.epoch;
      if (!epoch) this.parts.logger.warn(`${part} diverged, and does not count. ${record.diverged}`);
      epochs.push(epoch);
    }
    return epochs;
  }

  /** A fine-tuning that the run has done before, or does now. */
  private async done(search: Search, trial: Trial, context: EvaluationContext, part: string): Promise<TrialRecord> {
    const { task, data, store } = search;
    const conditions = this.conditions(task, trial, context);
    let record = await store.find(task.id, conditions);
    if (!record) {
      const progress: EvaluationContext['progress'] = (report) => context.progress?.({ ...report, part });
      record = await this.tryOne(search, trial, { ...context, progress });
      await store.keep(record, conditions);
    }
    this.parts.logger.info(describe(record, data));
    return record;
  }

  private async tryOne(
    { task, data, tuner }: Search,
    trial: Trial,
    { parameters, random, signal, progress }: EvaluationContext,
  ): Promise<TrialRecord> {
    const began = performance.now();
    const epochs: EpochResult[] = [];
    let diverged: string | undefined;
    try {
      // One stream per task: points of the grid differ only by their settings.
      const run = { trial, random: random.fork(task.id), signal, progress };
      for await (const epoch of tuner.fineTune(parameters, task, data, run)) epochs.push(epoch);
    } catch (error) {
      if (!(error instanceof DivergedError)) throw error;
      diverged = error.message;
    }
    return { task: task.id, trial, epochs, diverged, seconds: (performance.now() - began) / 1000 };
  }

  /**
   * Everything that determines a trial's numbers, except the model's parameters: those belong to the run and the step.
   */
  private conditions(task: SuperGlueTask, trial: Trial, { model, step, random }: EvaluationContext): object {
    const { bos, eos } = specialsAround(model, this.options);
    const { tasks, learningRates, batchSizes, dropouts, modelDropouts, select, seeds, ...others } = this.options;
    void [tasks, learningRates, batchSizes, dropouts, modelDropouts, select, seeds];
    const settings: Record<string, unknown> = {
      ...others,
      prependBos: bos !== undefined,
      appendEos: eos !== undefined,
    };
    // In the schema's order, for values of the options and of the model's policy alike.
    const ordered = Object.keys(superGlueOptions.shape).filter((key) => key in settings);
    const inOrder = Object.fromEntries(ordered.map((key) => [key, settings[key]]));
    return { task: task.id, trial, step, random: random.name, ...inOrder };
  }
}

/**
 * The tokenizer of the side whose states the head reads (paper, section 4): of an encoder-decoder, the encoder. Throws
 * DataError if that side has fewer tokens.
 */
function readingTokenizer(tokenizer: Tokenizer, model: Model): Tokenizer {
  const side = model.kind === 'decoder-only' ? 'decoder' : 'encoder';
  const reads = sidesOf(tokenizer)[side];
  // A model with one side was always checked by the ids alone.
  if (tokenizer.encoderSide || model.encoderTokens) checkSide(reads, model, side, 'The evaluator "superglue"');
  return reads;
}

function taskNumbers(
  { id }: SuperGlueTask,
  { val }: TaskData,
  { record: { trial }, epochNumber }: Chosen,
  epochs: readonly (EpochResult | undefined)[],
): Record<string, number> {
  const finished = epochs.filter((epoch) => epoch !== undefined);
  const { accuracy: _, ...others } = finished[0].scores;
  const means = Object.keys(others).map((name): [string, number] => [
    name,
    finished.reduce((sum, { scores }) => sum + scores[name], 0) / finished.length,
  ]);
  const numbers = {
    ...intervalNumbers(
      'accuracy',
      finished.map(({ scores }) => scores.accuracy),
    ),
    majority: majority(val),
    ...Object.fromEntries(means),
    examples: val.length,
    ...trial,
    epoch: epochNumber,
    ...(epochs.length > 1 && { seeds: finished.length }),
  };
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [`${id}/${name}`, value]));
}

/** The mean of some seeds' values; of several, with its interval. */
function intervalNumbers(name: string, values: readonly number[]): Record<string, number> {
  const { mean, low, high } = bootstrapMean(values, { random: createRandom(0).fork(name) });
  return {
    [name]: mean,
    ...(low !== undefined && high !== undefined && { [`${name}Low`]: low, [`${name}High`]: high }),
  };
}

/** For each seed the mean over the tasks, without the seeds that diverged in one; the first never did. */
const meansBySeed = (tasks: readonly (readonly (number | undefined)[])[]): number[] =>
  tasks[0].flatMap((_, seed) => {
    const own = tasks.flatMap((values) => values[seed] ?? []);
    return own.length === tasks.length ? [own.reduce((sum, value) => sum + value, 0) / own.length] : [];
  });

/** Fraction of the most frequent class. */
function majority(examples: readonly EncodedExample[]): number {
  const counts = new Map<number | undefined, number>();
  for (const { example } of examples) counts.set(example.label, (counts.get(example.label) ?? 0) + 1);
  return Math.max(...counts.values()) / examples.length;
}

function describe({ task, trial, epochs, diverged, seconds }: TrialRecord, { train, val }: TaskData): string {
  const { learningRate, batchSize, dropout, modelDropout } = trial;
  const inModel = modelDropout === undefined ? '' : `, in the model ${modelDropout}`;
  const what = `${task} (${train.length} + ${val.length}): learning rate ${learningRate}, batch ${batchSize}, dropout ${dropout}${inModel}`;
  if (diverged !== undefined) return `${what}: diverged. ${diverged}`;
  const accuracies = epochs.map(({ scores }) => scores.accuracy.toFixed(3)).join(' ');
  return `${what}: accuracy by epoch ${accuracies} (${seconds.toFixed(1)} s)`;
}

export const superGlue = defineComponent({
  interface: 'evaluator',
  id: 'superglue',
  description: 'fine-tunes on SuperGLUE tasks and scores them, in the protocol of the paper',
  options: superGlueOptions,
  useFactory: async ({ options, components, engine, logger, run }) => {
    return new SuperGlueEvaluator(
      {
        engine,
        logger,
        tokenizer: await components.create('tokenizer', options.tokenizer),
        optimizer: await components.create('optimizer', options.optimizer),
        schedule: await components.create('schedule', options.schedule),
        run,
      },
      options,
    );
  },
});
