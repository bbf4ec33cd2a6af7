import type { ChoiceItem, LikelihoodAnswer, RowScore } from '../interfaces';
import { FewShotTask, type TaskSet } from './few-shot-task';

/** The choices of a row. */
export interface Choices {
  /** The answers as they are scored, without the space that precedes each. */
  readonly texts: readonly string[];
  /** Indices of those that are right, at least one. */
  readonly right: readonly number[];
}

/**
 * A task whose answer is the most probable of several continuations, each behind a space. Its numbers are `accuracy`,
 * `accuracyPerCharacter` and `accuracyPerByte`: the choice with the largest log-likelihood, the same divided by the
 * choice's Unicode characters, and by its UTF-8 bytes, both without the space. The first of equal ones counts.
 */
export abstract class ChoiceTask<Row> extends FewShotTask<Row> {
  readonly metric: string = 'accuracy';

  protected abstract choices(row: Row): Choices;
  /** Default: the row's place in its set. */
  protected idOf(_row: Row, index: number): string {
    return String(index);
  }
  protected example(row: Row): string {
    const { texts, right } = this.choices(row);
    return `${this.question(row)} ${texts[right[0]]}`;
  }
  protected score(answers: readonly LikelihoodAnswer[], choices: Choices, _row: Row): RowScore {
    return scoreChoices(answers, choices);
  }

  protected item(row: Row, prefix: string, index: number, { name }: TaskSet<Row>): ChoiceItem {
    const choices = this.choices(row);
    return {
      kind: 'choices',
      id: this.idOf(row, index),
      set: name,
      prompts: [prefix + this.question(row)],
      continuations: choices.texts.map((text) => ` ${text}`),
      target: choices.right.map((at) => choices.texts[at]),
      score: (answers) => this.score(answers, choices, row),
    };
  }
}

/** Whether the most probable choice is right: as it is, per Unicode character, and per UTF-8 byte. */
export function scoreChoices(answers: readonly LikelihoodAnswer[], { texts, right }: Choices): RowScore {
  const correct = (length: (text: string) => number): number => {
    const scores = answers.map(({ logLikelihood }, i) => logLikelihood / Math.max(1, length(texts[i])));
    return right.includes(largestAt(scores)) ? 1 : 0;
  };
  return {
    metrics: {
      accuracy: correct(() => 1),
      accuracyPerCharacter: correct((text) => Array.from(text).length),
      accuracyPerByte: correct((text) => Buffer.byteLength(text)),
    },
  };
}

/** Index of the first of the largest numbers. */
export function largestAt(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
}
