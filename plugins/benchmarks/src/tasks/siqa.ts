import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';
import { pooled } from '../data/pooled';
import { withLabels } from './piqa';

const rowSchema = z.looseObject({
  context: z.string(),
  question: z.string(),
  answerA: z.string(),
  answerB: z.string(),
  answerC: z.string(),
  label: z.union([z.string(), z.int()]).optional(),
});
interface Row extends z.output<typeof rowSchema> {
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
    return pooled(shots, (names) => this.read(files, names), ['validation', 'dev'], ['train', 'pool']);
  }

  /** The original files have the labels beside them, line by line. */
  private async read(files: BenchmarkFiles, names: readonly string[]): Promise<ReadRows<Row>> {
    const { rows, file } = await files.rows(names, rowSchema);
    const labels = rows.every(({ label }) => label !== undefined)
      ? rows.map(({ label }) => String(label))
      : (await files.lines(names.map((name) => `${name}-labels.lst`))).rows;
    return {
      file,
      rows: withLabels(rows, labels, file, ['1', '2', '3']).map(({ row, label }) => ({ ...row, right: label })),
    };
  }

  protected question({ context, question }: Row): string {
    return `Q: ${context} ${question}\nA:`;
  }

  protected choices({ answerA, answerB, answerC, right }: Row): Choices {
    return { texts: [answerA, answerB, answerC], right: [right] };
  }
}
