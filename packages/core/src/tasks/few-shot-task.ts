import { DataError } from '@graft/engine';
import type { RowScore, Task, TaskItem, TaskRequest } from '../interfaces';
import { meanScores } from './mean-scores';

/** Rows that share a description and a pool of examples: a subject of MMLU, a language of MGSM. */
export interface TaskSet<Row> {
  /** For the records. Undefined if the task has one set. */
  readonly name?: string;
  readonly rows: readonly Row[];
  /** Rows from which the examples come, in order. Read only if examples are asked for. */
  readonly pool: readonly Row[];
  /** The name of the pool in errors: the path of its file. */
  readonly poolName: string;
}

/**
 * A task whose prompt is a description, examples and a question:
 *
 *     description + example 1 + separator + ... + example n + separator + question
 *
 * The examples are the first rows of the set's pool, without a row that asks the same question: a model must not read
 * the answer that it is asked for.
 */
export abstract class FewShotTask<Row> implements Task {
  abstract readonly id: string;
  abstract readonly version: number;
  abstract readonly description: string;
  abstract readonly metric: string;
  readonly shots: number = 0;
  readonly chance: number = 0;
  /** Between examples, and in front of the question. */
  protected readonly separator: string = '\n\n';

  /** Reads the benchmark's files. Throws DataError for a missing file, saying where it is to be had. */
  protected abstract sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]>;
  /** Precedes the examples, with its own line breaks at its end. `shots`: how many examples follow. */
  protected preamble(_set: TaskSet<Row>, _shots: number): string {
    return '';
  }
  /** The row as a question, without a space at its end. */
  protected abstract question(row: Row): string;
  /** The row as an example: the question, and the answer behind it. */
  protected abstract example(row: Row): string;
  /** `prefix`: what precedes the question in the prompt. `index`: the row's place in its set, from 0. */
  protected abstract item(row: Row, prefix: string, index: number, set: TaskSet<Row>): TaskItem;

  async items({ limit = Infinity, ...request }: TaskRequest): Promise<readonly TaskItem[]> {
    const { shots } = request;
    const items: TaskItem[] = [];
    for (const set of await this.sets({ ...request, limit })) {
      const preamble = this.preamble(set, shots);
      for (const [index, row] of set.rows.slice(0, limit).entries())
        items.push(this.item(row, preamble + this.examples(set, row, shots), index, set));
    }
    if (items.length === 0)
      throw new DataError(`Task "${this.id}" has no rows: its files in ${request.folder} are empty.`, {
        code: 'task.no-rows',
        exitCode: 2,
      });
    return items;
  }

  aggregate(scores: readonly RowScore[], _items: readonly TaskItem[]): Record<string, number> {
    return meanScores(scores);
  }

  private examples({ pool, poolName }: TaskSet<Row>, row: Row, shots: number): string {
    if (shots === 0) return '';
    const asked = this.question(row);
    // One more than needed is enough, unless the pool repeats the question.
    const others = pool.slice(0, shots).every((one) => this.question(one) !== asked)
      ? pool.slice(0, shots)
      : pool.filter((one) => this.question(one) !== asked).slice(0, shots);
    if (others.length < shots)
      throw new DataError(
        `${poolName} has ${others.length} rows that can be examples, but ${this.id} is to be asked with ${shots}.`,
        { code: 'task.few-examples', exitCode: 2, hint: 'Ask for fewer shots, or take a file with more rows.' },
      );
    return others.map((one) => this.example(one) + this.separator).join('');
  }
}
