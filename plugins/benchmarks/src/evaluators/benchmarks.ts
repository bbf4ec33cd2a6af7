import { makeOneFolder, privateCacheFolder, writeFileAtomically } from '@graft/checkpoint/internal';
import {
  AnswerStore,
  checkTokenizer,
  componentOption,
  defineComponent,
  findTasks,
  modelDigest,
  parseOptions,
  pathOption,
  sidesOf,
  TaskRunner,
  TASKS,
  DataError,
  GraftError,
  tokenizerClash,
  type EvaluationContext,
  type Evaluator,
  type Logger,
  type Model,
  type RunInfo,
  type Task,
  type TaskRequest,
  type TaskResult,
  type Tokenizer,
  type Turns,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { openChatFormat, sideFormats, type SideFormats } from '@graft/text';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { suiteMeanNames, SUITES, suiteMeans } from '../suites';

/** All of them at once: whoever fetches one benchmark after the other wants a list. */
function severalProblems(problems: readonly GraftError[], tasks: number): DataError {
  const lines = problems.map(({ message, hint }) => `  ${[message, hint].filter(Boolean).join(' ')}`);
  const { code, exitCode } = problems[0];
  return new DataError(`${problems.length} of ${tasks} tasks cannot be asked:\n${lines.join('\n')}`, {
    code,
    exitCode,
  });
}

/** The options of the evaluator `benchmarks`. */
export const benchmarksOptions = z.strictObject({
  data: pathOption().describe(
    "The folder with the benchmarks' own files, one folder for each: docs/evaluation.md lists them.",
  ),
  tasks: z
    .array(z.string())
    .min(1)
    .describe(
      'Tasks by name, such as `arc-easy`, or a suite: `pretraining`, `instruction`. `graft plugins` lists them.',
    ),
  shots: z.int().min(0).optional().describe("Examples in front of each question. Default: each task's own."),
  limit: z.int().positive().optional().describe('Rows of each task, or of each of its sets, at most. Default: all.'),
  tokenizer: componentOption('tokenizer')
    .default({ use: 'checkpoint' })
    .describe("The tokenizer, by name or with its options, or one for each side. Default: the checkpoint's."),
  batchSize: z.int().positive().default(16).describe('Sequences that the model reads together, at most.'),
  batchTokens: z
    .int()
    .positive()
    .default(8192)
    .describe('Tokens that the model reads together, padding included, at most; a longer sequence is read by itself.'),
  chat: z
    .boolean()
    .default(false)
    .describe(
      "Whether each prompt, with its examples, is a turn of the user in the checkpoint's chat template: for instruction-tuned models.",
    ),
  allowCode: z
    .boolean()
    .default(false)
    .describe('Whether programs that the model writes may run (`humaneval`, `mbpp`): without network, within limits.'),
  answers: pathOption()
    .optional()
    .describe(
      "The folder that keeps answers, by the model's content, so that no request is asked twice. Default: in Graft's cache.",
    ),
});

/** What a config or code may write. */
export type BenchmarksOptions = z.input<typeof benchmarksOptions>;
/** The same with every default filled in. */
export type ResolvedBenchmarksOptions = z.output<typeof benchmarksOptions>;

interface Parts {
  readonly engine: Engine;
  readonly tokenizer: Tokenizer;
  readonly logger: Logger;
  /** The tasks of all plugins. */
  readonly tasks: readonly Task[];
  /** How the tokenizer's model converses. Only with `chat`. */
  readonly formats?: SideFormats;
  readonly run?: RunInfo;
}

/**
 * Asks a model the rows of benchmarks, and scores its answers: the likelihood of choices, or text up to a stop.
 *
 * Returns for each task its numbers (`arc-easy/accuracy`), `/rows` and `/shots`, and for each suite of which every task ran
 * the mean of the paper (0 to 100). The run's folder gets `records/<task>.jsonl`, one line a row, of the newest
 * evaluation.
 */
export class BenchmarksEvaluator implements Evaluator {
  private readonly options: ResolvedBenchmarksOptions;
  private readonly tasks: readonly Task[];
  /** A suite has a mean if all of its tasks are asked. */
  readonly metricNames: readonly string[];

  /** Throws ConfigError for a task that no plugin has, with the nearest. */
  constructor(
    private readonly parts: Parts,
    options: BenchmarksOptions,
  ) {
    this.options = parseOptions(benchmarksOptions, options, 'BenchmarksEvaluator');
    this.tasks = findTasks(this.options.tasks, parts.tasks, SUITES);
    this.metricNames = [
      ...suiteMeanNames(this.tasks.map(({ id }) => id)),
      // A task may have further metrics of its own.
      ...this.tasks.flatMap(({ id, metric }) => [`${id}/${metric}`, `${id}/*`]),
    ];
  }

  /** Reads every file before the first row is asked, so that a missing one is not found after hours. */
  async check({ model }: Pick<EvaluationContext, 'model'>): Promise<void> {
    checkTokenizer(this.parts.tokenizer, model, 'The evaluator "benchmarks"');
    const problems: GraftError[] = [];
    for (const task of this.tasks) {
      try {
        await task.items(this.request(task));
      } catch (error) {
        if (!(error instanceof GraftError)) throw error;
        problems.push(error);
      }
    }
    if (problems.length === 1) throw problems[0];
    if (problems.length > 1) throw severalProblems(problems, this.tasks.length);
  }

  async evaluate(context: EvaluationContext): Promise<Record<string, number>> {
    const { model, parameters, step } = context;
    const { engine, tokenizer, logger } = this.parts;
    await this.check(context);
    this.warnOfClash(model);
    const digest = await modelDigest(engine, model, parameters);
    const turns = this.turns(model);
    const runner = new TaskRunner({ engine, model, parameters, tokenizer, limits: this.options, turns });
    const results = new Map<Task, TaskResult>();
    try {
      for (const [index, task] of this.tasks.entries()) {
        const part = `${task.id} (${index + 1} of ${this.tasks.length})`;
        const result = await runner.run(task, {
          ...this.request(task),
          answers: await AnswerStore.open(join(this.answers(), digest, `${task.id}-v${task.version}.jsonl`), logger),
          signal: context.signal,
          progress: (report) => context.progress?.({ ...report, part }),
        });
        results.set(task, result);
        this.warnOfEqualIds(task, result);
        this.warnOfLength(task, result, model);
        logger.info(this.describe(task, result, digest));
        await this.keepRecords(task, result, step);
      }
    } finally {
      runner.dispose();
    }
    return { ...this.numbers(results), ...suiteMeans(results) };
  }

  private turns({ kind }: Model): Turns | undefined {
    const { formats, logger } = this.parts;
    if (!formats) return undefined;
    // A decoder-only model reads and writes with one tokenizer.
    const reads = kind === 'decoder-only' ? formats.decoder : formats.encoder;
    logger.info(`Prompts are turns of the user, by ${reads.origin}.`);
    const { token, text } = formats.decoder.endOfTurn();
    return {
      textOf: (prompt) => reads.prompt([{ role: 'user', content: prompt.trim() }]),
      endTokens: token === undefined ? [] : [token],
      endText: text,
    };
  }

  private request({ shots }: Task): TaskRequest {
    const { data: folder, limit, allowCode } = this.options;
    return { folder, shots: this.options.shots ?? shots, limit, allowCode };
  }

  private answers(): string {
    return this.options.answers ?? privateCacheFolder('answers');
  }

  private warnOfClash({ kind, specialTokens, encoderTokens }: Model): void {
    const { tokenizer, logger } = this.parts;
    const clash = tokenizerClash(tokenizer, { kind, specialTokens, encoderTokens }, tokenizer.encoderSide);
    if (clash !== undefined) logger.warn(clash);
  }

  /** Whoever compares the records of two models pairs them by their ids. */
  private warnOfEqualIds({ id }: Task, { records }: TaskResult): void {
    const known = new Set<string>();
    const equal = records.find((record) => {
      const key = JSON.stringify([record.set, record.id]);
      return known.size === known.add(key).size;
    });
    if (equal)
      this.parts.logger.warn(`${id}: several rows have the id ${JSON.stringify(equal.id)}; their records have it too.`);
  }

  private warnOfLength({ id }: Task, { overlong, asked, known }: TaskResult, { maxPositions }: Model): void {
    if (overlong === 0) return;
    const most = Object.entries(maxPositions ?? {}).map(([side, tokens]) => `${tokens} (${side})`);
    this.parts.logger.warn(
      `${id}: ${overlong} of ${asked + known} requests are longer than the model was trained for, ${most.join(', ')} tokens; they are read whole.`,
    );
  }

  private numbers(results: ReadonlyMap<Task, TaskResult>): Record<string, number> {
    const numbers: Record<string, number> = {};
    for (const [task, { metrics, records }] of results) {
      const own = { ...metrics, rows: records.length, shots: this.request(task).shots };
      for (const [name, value] of Object.entries(own)) numbers[`${task.id}/${name}`] = value;
    }
    return numbers;
  }

  /** With the digests of everything that determines the score. */
  private describe(task: Task, { metrics, records, asked, known, digest }: TaskResult, model: string): string {
    const sets = new Set(records.map(({ set }) => set)).size;
    const of = sets > 1 ? ` of ${sets} sets` : '';
    const kept = known > 0 ? `, ${known} requests answered before` : '';
    return (
      `${task.id} (version ${task.version}, ${this.request(task).shots} shots, ${records.length} rows${of}): ` +
      `${task.metric} ${metrics[task.metric].toFixed(4)}; asked ${asked} requests${kept}; prompts ${digest}, model ${model}`
    );
  }

  private async keepRecords(task: Task, { records }: TaskResult, step: number): Promise<void> {
    const { run } = this.parts;
    if (!run) return;
    const folder = join(run.folder, 'records');
    // Not the run's folder itself: a deleted one must not reappear with records alone.
    await makeOneFolder(folder);
    const { shots } = this.request(task);
    const lines = records.map((record) => `${JSON.stringify({ ...record, shots, step })}\n`);
    await writeFileAtomically(join(folder, `${task.id}.jsonl`), (temporary) => writeFile(temporary, lines), {
      makeParents: false,
    });
  }
}

export const benchmarks = defineComponent({
  interface: 'evaluator',
  id: 'benchmarks',
  description: 'asks the rows of benchmarks and scores the likelihood of choices, or generated text',
  options: benchmarksOptions,
  useFactory: async (context) => {
    const { options, components, engine, logger, run } = context;
    const tokenizer = await components.create('tokenizer', options.tokenizer);
    const formats = options.chat
      ? await sideFormats(sidesOf(tokenizer), (one, folders) => openChatFormat(folders, one))
      : undefined;
    return new BenchmarksEvaluator({ engine, logger, tokenizer, tasks: context.resolve(TASKS), formats, run }, options);
  },
});
