import {
  ChoiceTask,
  largestAt,
  scoreChoices,
  type Choices,
  type LikelihoodAnswer,
  type RowScore,
  type TaskItem,
  type TaskRequest,
  type TaskSet,
} from '@graft/core';
import { z } from 'zod';
import { classF1, isTrue, superGlueSets } from './files';

const idx = z.int().min(0);
const rowSchema = z.looseObject({
  idx,
  passage: z.looseObject({
    text: z.string(),
    questions: z.array(
      z.looseObject({
        idx,
        question: z.string(),
        answers: z.array(
          z.looseObject({ idx, text: z.string(), label: z.union([z.boolean(), z.int().min(0).max(1)]) }),
        ),
      }),
    ),
  }),
});

interface Row {
  /** `passage/question/answer`, as the benchmark numbers them. */
  readonly id: string;
  readonly passage: string;
  readonly question: string;
  readonly answer: string;
  readonly label: boolean;
}

const VERDICTS = ['yes', 'no'];

/**
 * Is this an answer to the question about the passage? A question has several. Besides `accuracy`: `f1` of the answers that
 * are right, and `exactMatch`, the share of questions of which every answer is judged correctly.
 */
export class MultiRc extends ChoiceTask<Row> {
  readonly id = 'multirc';
  readonly version = 1;
  readonly description = 'MultiRC: whether an answer is right, from a passage';
  override readonly chance = 0.5;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'MultiRC', request, rowSchema, ({ idx: ofPassage, passage }) =>
      passage.questions.flatMap((one) =>
        one.answers.map(({ idx: ofAnswer, text, label }) => ({
          id: `${ofPassage}/${one.idx}/${ofAnswer}`,
          passage: passage.text,
          question: one.question,
          answer: text,
          label: isTrue(label),
        })),
      ),
    );
  }

  protected override idOf({ id }: Row): string {
    return id;
  }

  protected question({ passage, question }: Row): string {
    return `${passage}\nQuestion: ${question}\nAnswer:`;
  }

  protected choices({ answer, label }: Row): Choices {
    return {
      texts: VERDICTS.map((verdict) => `${answer}\nIs the answer correct? ${verdict}`),
      right: [label ? 0 : 1],
    };
  }

  protected override score(answers: readonly LikelihoodAnswer[], choices: Choices): RowScore {
    const extracted = VERDICTS[largestAt(answers.map(({ logLikelihood }) => logLikelihood))];
    return { ...scoreChoices(answers, choices), extracted };
  }

  override aggregate(scores: readonly RowScore[], items: readonly TaskItem[]): Record<string, number> {
    const isRight = scores.map(({ metrics }) => metrics.accuracy === 1);
    const other = (verdict: string): string => VERDICTS[1 - VERDICTS.indexOf(verdict)];
    const pairs = scores.map(({ extracted }, i) => [extracted!, isRight[i] ? extracted! : other(extracted!)] as const);
    const questions = new Map<string, boolean>();
    for (const [i, { id }] of items.entries()) {
      const question = id.slice(0, id.lastIndexOf('/'));
      questions.set(question, (questions.get(question) ?? true) && isRight[i]);
    }
    return {
      ...super.aggregate(scores, items),
      f1: classF1(pairs, 'yes'),
      exactMatch: [...questions.values()].filter(Boolean).length / questions.size,
    };
  }
}
