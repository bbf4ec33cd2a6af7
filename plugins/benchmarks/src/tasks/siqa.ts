import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { labelledRows } from '../data/labelled-rows';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({
  context: z.string(),
  question: z.string(),
  answerA: z.string(),
  answerB: z.string(),
  answerC: z.string(),
  label: z.union([z.string(), z.int()]).optional(),
});
interface Row {
  readonly row: z.output<typeof rowSchema>;
  readonly right: number;
}

/** What people feel, want or do in a situation. */
export class Siqa extends ChoiceTask<Row> {
  readonly id = 'siqa';
  readonly version = 1;
  readonly description = 'SIQA: what people feel, want or do';
  override readonly chance = 1 / 3;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['siqa', 'socialiqa', 'social_i_qa'],
      from: "Social IQa's archive (socialiqa-train-dev), or the data set allenai/social_i_qa",
    });
    return pooled(
      shots,
      (names) => labelledRows(files, names, rowSchema, ['1', '2', '3']),
      ['validation', 'dev'],
      ['train', 'pool'],
    );
  }

  protected question({ row: { context, question } }: Row): string {
    return `Q: ${context} ${question}\nA:`;
  }

  protected choices({ row: { answerA, answerB, answerC }, right }: Row): Choices {
    return { texts: [answerA, answerB, answerC], right: [right] };
  }
}
