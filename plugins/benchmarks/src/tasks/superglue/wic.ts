import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { sliceCodePoints } from '@graft/core/internal';
import { z } from 'zod';
import { isTrue, superGlueSets } from './files';

const rowSchema = z.looseObject({
  sentence1: z.string(),
  sentence2: z.string(),
  start1: z.int().min(0),
  end1: z.int().min(0),
  label: z.union([z.boolean(), z.int().min(0).max(1)]),
});
type Row = z.output<typeof rowSchema>;

/** Has the word one meaning in both sentences? It is asked for in the form that the first sentence has. */
export class WordInContext extends ChoiceTask<Row> {
  readonly id = 'wic';
  readonly version = 1;
  readonly description = 'WiC: whether a word is used in the same way in two sentences';
  override readonly chance = 0.5;

  protected sets(request: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    return superGlueSets(this.id, 'WiC', request, rowSchema, (row) => [row]);
  }

  protected question({ sentence1, sentence2, start1, end1 }: Row): string {
    const word = sliceCodePoints(sentence1, start1, end1);
    return `Sentence 1: ${sentence1}\nSentence 2: ${sentence2}\nQuestion: Is the word '${word}' used in the same way in the two sentences above?\nAnswer:`;
  }

  protected choices({ label }: Row): Choices {
    return { texts: ['no', 'yes'], right: [Number(isTrue(label))] };
  }
}
