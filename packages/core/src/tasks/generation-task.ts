import type { GenerationAnswer, GenerationItem, RowScore } from '../interfaces';
import { FewShotTask, type TaskSet } from './few-shot-task';

/** A task whose answer the model writes, up to a stop string. */
export abstract class GenerationTask<Row> extends FewShotTask<Row> {
  readonly metric: string = 'exactMatch';
  /** The text ends in front of the first of these. */
  protected abstract readonly until: readonly string[];
  /** Tokens of an answer, at most. */
  protected readonly maxNewTokens: number = 256;

  /** The answer of an example, with what separates it from the question. */
  protected abstract answer(row: Row): string;
  /** The right answers, for the records. */
  protected abstract target(row: Row): string | readonly string[];
  protected abstract score(answer: GenerationAnswer, row: Row): RowScore | Promise<RowScore>;
  /** Default: the row's place in its set. */
  protected idOf(_row: Row, index: number): string {
    return String(index);
  }
  /** The stop strings of a set, if they differ from set to set. */
  protected stopsOf(_set: TaskSet<Row>): readonly string[] {
    return this.until;
  }
  protected example(row: Row): string {
    return this.question(row) + this.answer(row);
  }

  protected item(row: Row, prefix: string, index: number, set: TaskSet<Row>): GenerationItem {
    return {
      kind: 'generation',
      id: this.idOf(row, index),
      set: set.name,
      prompt: prefix + this.question(row),
      until: this.stopsOf(set),
      maxNewTokens: this.maxNewTokens,
      target: this.target(row),
      score: (answer) => this.score(answer, row),
    };
  }
}
