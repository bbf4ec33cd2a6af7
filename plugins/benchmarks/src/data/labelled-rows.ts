import { DataError } from '@graft/core';
import { shortened } from '@graft/core/internal';
import type { z } from 'zod';
import type { BenchmarkFiles, ReadRows } from './benchmark-files';

/** Rows that have their label, or whose labels are line by line in a second file. */
type Labelled = z.ZodType<{ readonly label?: string | number }>;

/**
 * Rows with their labels as indices into `known`. Where the rows have no labels, those of `NAME.jsonl` are in
 * `NAME-labels.lst`. Throws DataError if the two files do not fit.
 */
export async function labelledRows<S extends Labelled>(
  files: BenchmarkFiles,
  names: readonly string[],
  schema: S,
  known: readonly string[],
): Promise<ReadRows<{ readonly row: z.output<S>; readonly right: number }>> {
  const { rows, file } = await files.rows(names, schema);
  const labels = rows.every(({ label }) => label !== undefined)
    ? rows.map(({ label }) => String(label))
    : (await files.lines(names.map((name) => `${name}-labels.lst`))).rows;
  if (labels.length !== rows.length)
    throw new DataError(`${file} has ${rows.length} rows, but there are ${labels.length} labels for them.`, {
      code: 'benchmarks.labels',
      hint: 'Both files should be of the same split.',
    });
  return {
    file,
    rows: rows.map((row, i) => {
      const right = known.indexOf(labels[i].trim());
      if (right >= 0) return { row, right };
      throw new DataError(
        `${file}: the label of row ${i + 1} is ${JSON.stringify(shortened(labels[i], 40))}, expected one of ${known.join(', ')}.`,
        { code: 'benchmarks.labels' },
      );
    }),
  };
}
