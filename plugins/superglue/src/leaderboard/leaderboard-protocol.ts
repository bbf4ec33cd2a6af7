import {
  checkTokenizer,
  createRandom,
  DataError,
  tokenizerClash,
  type Model,
  type Objective,
  type Parameters,
} from '@graft/core';
import { trainEpochs, type EpochResult, type TrialRun } from '../epochs';
import type { ResolvedSuperGlueOptions } from '../options';
import type { Parts, OpenTask, Protocol } from '../protocol';
import { intervalNumbers } from '../search';
import { hasPart, TASKS, type SuperGlueTask, type TextResult, type TextTask } from '../tasks';
import { largestShare, mean } from '../tasks/scores';
import { drawRows, sizeOf } from '../train-rows';
import { Answerer } from './answerer';
import { DataReader, type AskedSet, type LeaderboardTask, type TaskData, type Texts } from './data-reader';
import { endToken } from './encode-texts';
import { Submission } from './submission';
import { TextTuner } from './text-tuner';

const isLeaderboardTask = (task: SuperGlueTask): task is LeaderboardTask => task.text !== undefined;
const LEADERBOARD_TASKS = TASKS.filter(isLeaderboardTask);

/**
 * The benchmark's own protocol in T5's form (Raffel et al., 2020): the model is fine-tuned to answer each task in words, its
 * answers are scored with the benchmark's metrics, and those to the test sets are written for a submission.
 */
export class LeaderboardProtocol implements Protocol {
  readonly headline = 'score';
  readonly hasHead = false;
  readonly tasks: readonly string[];
  readonly meanOf = LEADERBOARD_TASKS.length;
  readonly conditions: object;
  private readonly reader: DataReader;
  private readonly tuner: TextTuner;
  private readonly answerer: Answerer;

  /** Creates the objective for the model. Throws DataError for a model that does not write, or that does not fit. */
  static async open(parts: Parts, options: ResolvedSuperGlueOptions, model: Model): Promise<LeaderboardProtocol> {
    if (model.kind === 'encoder-only')
      throw new DataError('Mode leaderboard lets the model write answers, but an encoder alone has no decoder.', {
        code: 'superglue.no-decoder',
        exitCode: 2,
        hint: 'Use mode: paper.',
      });
    endToken(model);
    const usual = model.kind === 'decoder-only' ? { use: 'causal-lm', input: 'pairs' } : { use: 'seq2seq' };
    const objective = await parts.components.create('objective', options.objective ?? usual);
    return new LeaderboardProtocol(parts, options, model, objective);
  }

  private constructor(
    private readonly parts: Parts,
    private readonly options: ResolvedSuperGlueOptions,
    private readonly model: Model,
    private readonly objective: Objective,
  ) {
    const { tokenizer, logger } = parts;
    checkTokenizer(tokenizer, model, 'The evaluator "superglue"');
    const clash = tokenizerClash(tokenizer, model, tokenizer.encoderSide);
    if (clash !== undefined) logger.warn(clash);
    this.tasks = LEADERBOARD_TASKS.filter(({ id }) => options.tasks.includes(id)).map(({ id }) => id);
    this.conditions = this.conditionsOf();
    const batchSize = Math.max(...options.batchSizes);
    const limits = { batchSize, batchTokens: batchSize * (options.maxTokens + LONGEST_ANSWER) };
    this.reader = new DataReader(
      { model, tokenizer, logger },
      { ...options, predict: parts.run ? options.predict : 'none' },
    );
    this.tuner = new TextTuner({ ...parts, model, objective });
    this.answerer = new Answerer({ ...parts, model, limits, chooses: options.answers === 'chosen' });
  }

  /** What is read is not kept: of all tasks together it may be more than the model. */
  async check(): Promise<void> {
    for (const id of this.tasks) {
      const { train } = await this.reader.read(taskOf(id), true);
      drawRows(train, this.options.trainRows, createRandom(0));
    }
    const { folder, predict } = this.options;
    if (predict !== 'test' || !this.parts.run) return;
    const without = this.tasks.filter((id) => !hasPart(folder, taskOf(id), 'test'));
    if (without.length > 0)
      this.parts.logger.info(
        `The submission lacks ${without.join(', ')}: ${folder} has no test.jsonl of ${without.length === 1 ? 'it' : 'them'}.`,
      );
  }

  async open(id: string): Promise<OpenTask> {
    const task = taskOf(id);
    const data = await this.reader.read(task, false);
    const { train, val, asked } = data;
    const { trainRows } = this.options;
    return {
      id,
      val: val.length,
      size: sizeOf(trainRows, train.length, val.length),
      selectBy: 'score',
      // A record without these answers would leave them out of the submission.
      conditions: { asked: asked.map(({ name }) => name) },
      inMean: true,
      majority: majority(task.text, val),
      fineTune: (start, run) => this.fineTune(task, data, start, run),
      finish: (epochs) => this.finish(id, asked, epochs),
    };
  }

  dispose(): void {
    this.tuner.dispose();
    this.answerer.dispose();
    this.objective.dispose?.();
  }

  private async *fineTune(
    task: LeaderboardTask,
    { train, val, asked }: TaskData,
    start: Parameters,
    run: TrialRun,
  ): AsyncGenerator<EpochResult, undefined> {
    const { trial, random, signal, progress } = run;
    const { select } = this.options;
    let best = -Infinity;
    const measure = async (
      parameters: Parameters,
      isLast: boolean,
    ): Promise<Pick<EpochResult, 'scores' | 'answers'>> => {
      const ask = { signal, progress, unit: 'validation examples' };
      const results = await this.answerer.answer(parameters, task.text, val, ask);
      const scores = scoresOf(task.text, results);
      const mayCount = select === 'last' ? isLast : scores.score > best;
      best = Math.max(best, scores.score);
      if (!mayCount || asked.length === 0) return { scores };
      const answers: Record<string, string[]> = {};
      for (const { name, task: own, texts } of asked) {
        const said =
          name === 'val'
            ? results
            : await this.answerer.answer(parameters, own, texts, { ...ask, unit: `examples of ${name}` });
        answers[name] = said.map(({ text }) => text);
      }
      return { scores, answers };
    };
    const drawn = drawRows(train, this.options.trainRows, random);
    yield* trainEpochs(this.tuner.learner(start, drawn, trial, measure), this.options, run);
    return undefined;
  }

  /** Writes the answers of the first seed, and scores the diagnostic sets of all. */
  private async finish(
    id: string,
    asked: readonly AskedSet[],
    epochs: readonly EpochResult[],
  ): Promise<Record<string, number>> {
    const { run, logger } = this.parts;
    const numbers: Record<string, number> = {};
    for (const { name, task, texts, file, diagnostic } of asked) {
      const bySeed = epochs.map(({ answers }) => resultsOf(name, texts, answers?.[name]));
      if (diagnostic && texts.every(({ example }) => example.answers !== undefined)) {
        const scores = bySeed.map((results): Record<string, number> => ({
          ...task.metrics(results),
          invalid: invalidShare(task, results),
        }));
        for (const metric of Object.keys(scores[0])) {
          const own = intervalNumbers(
            metric,
            scores.map((one) => one[metric]),
          );
          for (const [key, value] of Object.entries(own)) numbers[`${diagnostic.id}/${key}`] = value;
        }
      }
      if (!run || this.options.predict === 'none') continue;
      const submission = new Submission(run.folder);
      await submission.write(file, task.submission(bySeed[0]));
      const invalid = Math.round(invalidShare(task, bySeed[0]) * texts.length);
      const of = invalid > 0 ? `, of which ${invalid} are invalid` : '';
      logger.info(`${id}: ${texts.length} answers to ${name}${of}, in ${submission.folder}/${file}.jsonl`);
    }
    return numbers;
  }

  private conditionsOf(): object {
    const { tasks, learningRates, batchSizes, dropouts, modelDropouts, seeds, predict, ...others } = this.options;
    void [tasks, learningRates, batchSizes, dropouts, modelDropouts, seeds, predict];
    const { policy } = this.model.specialTokens;
    return { ...others, policy };
  }
}

/** Tokens by which an answer may lengthen a sequence before fewer are read together. */
const LONGEST_ANSWER = 64;

const taskOf = (id: string): LeaderboardTask => LEADERBOARD_TASKS.find((task) => task.id === id)!;

function scoresOf(task: TextTask, results: readonly TextResult[]): Record<string, number> {
  const metrics = task.metrics(results);
  return {
    score: mean(Object.values(metrics)),
    ...metrics,
    invalid: invalidShare(task, results),
  };
}

/** Throws DataError for answers of a fine-tuning that read another file. */
function resultsOf(name: string, texts: Texts, answers: readonly string[] = []): TextResult[] {
  if (answers.length === texts.length) return texts.map(({ example }, i) => ({ example, text: answers[i] }));
  const { file } = texts[0].example.place;
  throw new DataError(
    `${file} has ${texts.length} examples, but the stored fine-tuning has answers to ${answers.length} of ${name}.`,
    { code: 'superglue.record', exitCode: 2, hint: 'The file has changed since: start a new run, without --resume.' },
  );
}

const invalidShare = (task: TextTask, results: readonly TextResult[]): number =>
  mean(results.map((result) => Number(task.isInvalid(result))));

/** The accuracy of the most frequent class; undefined for a task whose answers are not classes. */
function majority({ isWritten }: TextTask, texts: Texts): number | undefined {
  const first = texts[0].example.choices;
  const isClasses = isWritten === true || texts.every(({ example }) => example.choices === first);
  if (!isClasses) return undefined;
  return largestShare(
    texts.map(({ example: { answers } }) => (isWritten === true ? answers!.length > 0 : answers![0])),
  );
}
