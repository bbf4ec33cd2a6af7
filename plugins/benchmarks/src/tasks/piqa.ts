import { ChoiceTask, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles } from '../data/benchmark-files';
import { labelledRows } from '../data/labelled-rows';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({
  goal: z.string(),
  sol1: z.string(),
  sol2: z.string(),
  label: z.int().min(0).max(1).optional(),
});
interface Row {
  readonly row: z.output<typeof rowSchema>;
  readonly right: number;
}

/** Which of two ways reaches the goal? Goals and solutions are taken as they are, with double spaces. */
export class Piqa extends ChoiceTask<Row> {
  readonly id = 'piqa';
  readonly version = 1;
  readonly description = 'PIQA: two ways to reach a goal';
  override readonly chance = 0.5;

  protected sets({ folder, shots }: TaskRequest): Promise<readonly TaskSet<Row>[]> {
    const files = new BenchmarkFiles(folder, {
      task: this.id,
      folders: ['piqa'],
      from: 'the repository ybisk/ybisk.github.io, folder piqa/data',
    });
    return pooled(
      shots,
      (names) => labelledRows(files, names, rowSchema, ['0', '1']),
      ['valid', 'validation'],
      ['train', 'pool'],
    );
  }

  protected question({ row: { goal } }: Row): string {
    return `Question: ${goal}\nAnswer:`;
  }

  protected choices({ row: { sol1, sol2 }, right }: Row): Choices {
    return { texts: [sol1, sol2], right: [right] };
  }
}
