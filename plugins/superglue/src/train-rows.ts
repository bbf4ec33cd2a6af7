import { DataError, type RandomStream } from '@graft/core';
import type { RowPlace } from './tasks';

/**
 * The examples of `count` rows of a file, drawn without replacement, in the file's order. Rows without an example are not
 * drawn. Throws DataError if there are fewer.
 */
export function drawRows<E>(
  examples: readonly E[],
  placeOf: (example: E) => RowPlace,
  count: number,
  random: RandomStream,
): readonly E[] {
  const rows = [...new Set(examples.map((example) => placeOf(example).line))];
  if (rows.length < count) {
    throw new DataError(
      `${placeOf(examples[0]).file} has ${rows.length} rows to train on, but trainRows is ${count}.`,
      {
        code: 'superglue.train-rows',
        exitCode: 2,
        hint: `Lower trainRows to ${rows.length} or less, or leave it out.`,
      },
    );
  }
  const drawn = new Set(Array.from(random.permutation(rows.length).subarray(0, count), (at) => rows[at]));
  return examples.filter((example) => drawn.has(placeOf(example).line));
}

/** Examples that are trained on and validated with, for the log. */
export const sizeOf = (trainRows: number | undefined, train: number, val: number): string =>
  `${trainRows === undefined ? train : `${trainRows} rows`} + ${val}`;
