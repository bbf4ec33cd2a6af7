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
import { classF1, superGlueSets } from './files';

const CLASSES = ['entailment', 'contradiction', 'neutral'] as const;
const ANSWERS = ['True', 'False', 'Neither'];

const rowSchema = z.looseObject({ premise: z.string(), hypothesis: z.string(), label: z.enum(CLASSES) });
type Row = z.output<typeof rowSchema>;

/** Does the speaker of the premise hold the hypothesis to be true? `f1`: the mean of the three classes' F1. */
export class CommitmentBank extends ChoiceTask<Row> {
  readonly id = 'cb';
  readonly version = 1;
  readonly description = 'CB: true, false or neither, from what somebody says';
  override readonly chance = 1 / 3;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'CB', request, rowSchema, (row) => [row]);
  }

  protected question({ premise, hypothesis }: Row): string {
    return `${premise}\nQuestion: ${hypothesis}. True, False, or Neither?\nAnswer:`;
  }

  protected choices({ label }: Row): Choices {
    return { texts: ANSWERS, right: [CLASSES.indexOf(label)] };
  }

  protected override score(answers: readonly LikelihoodAnswer[], choices: Choices): RowScore {
    const extracted = choices.texts[largestAt(answers.map(({ logLikelihood }) => logLikelihood))];
    return { ...scoreChoices(answers, choices), extracted };
  }

  override aggregate(scores: readonly RowScore[], items: readonly TaskItem[]): Record<string, number> {
    const pairs = scores.map(({ extracted }, i) => [extracted!, items[i].target[0]] as const);
    const sum = ANSWERS.reduce((all, answer) => all + classF1(pairs, answer), 0);
    return { ...super.aggregate(scores, items), f1: sum / ANSWERS.length };
  }
}
