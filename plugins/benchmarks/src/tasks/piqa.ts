import { ChoiceTask, DataError, type Choices, type TaskRequest, type TaskSet } from '@graft/core';
import { z } from 'zod';
import { BenchmarkFiles, type ReadRows } from '../data/benchmark-files';
import { pooled } from '../data/pooled';

const rowSchema = z.looseObject({
  goal: z.string(),
  sol1: z.string(),
  sol2: z.string(),
  label: z.int().min(0).max(1).optional(),
});
interface Row {
  readonly goal: string;
  readonly solutions: readonly string[];
  readonly label: number;
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
    return pooled(shots, (names) => this.read(files, names), ['valid', 'validation'], ['train', 'pool']);
  }

  /** The labels are in a second file, line by line, unless the rows have them. */
  private async read(files: BenchmarkFiles, names: readonly string[]): Promise<ReadRows<Row>> {
    const { rows, file } = await files.rows(names, rowSchema);
    const labels = rows.every(({ label }) => label !== undefined)
      ? rows.map(({ label }) => String(label))
      : (await files.lines(names.map((name) => `${name}-labels.lst`))).rows;
    return { file, rows: withLabels(rows, labels, file, ['0', '1']).map(({ row, label }) => rowOf(row, label)) };
  }

  protected question({ goal }: Row): string {
    return `Question: ${goal}\nAnswer:`;
  }

  protected choices({ solutions, label }: Row): Choices {
    return { texts: solutions, right: [label] };
  }
}

function rowOf({ goal, sol1, sol2 }: z.output<typeof rowSchema>, label: number): Row {
  return { goal, solutions: [sol1, sol2], label };
}

/** Rows with the labels of a second file, as indices into `known`. Throws DataError if the two do not fit. */
export function withLabels<R>(
  rows: readonly R[],
  labels: readonly string[],
  file: string,
  known: readonly string[],
): { readonly row: R; readonly label: number }[] {
  if (labels.length !== rows.length)
    throw new DataError(`${file} has ${rows.length} rows, but there are ${labels.length} labels for them.`, {
      code: 'benchmarks.labels',
      hint: 'Both files should be of the same split.',
    });
  return rows.map((row, i) => {
    const label = known.indexOf(labels[i].trim());
    if (label >= 0) return { row, label };
    throw new DataError(
      `${file}: the label of row ${i + 1} is ${JSON.stringify(labels[i])}, expected one of ${known.join(', ')}.`,
      { code: 'benchmarks.labels' },
    );
  });
}
