import { DataError, type RandomStream } from '@graft/core';
import type { RowPlace } from './tasks';

/** An encoded example with the line of its file. */
interface Placed {
  readonly example: { readonly place: RowPlace };
}

/**
 * The examples of `count` rows of a file, drawn without replacement, in the file's order; without a count all of them. Rows
 * without an example are not drawn. `random`: of the trial. Throws DataError if there are fewer.
 */
export function drawRows<E extends Placed>(
  examples: readonly E[],
  count: number | undefined,
  random: RandomStream,
): readonly E[] {
  if (count === undefined) return examples;
  const rows = [...new Set(examples.map(({ example }) => example.place.line))];
  if (rows.length < count) {
    throw new DataError(
      `${examples[0].example.place.file} has ${rows.length} rows to train on, but trainRows is ${count}.`,
      {
        code: 'superglue.train-rows',
        exitCode: 2,
        hint: `Lower trainRows to ${rows.length} or less, or leave it out.`,
      },
    );
  }
  const drawn = new Set(Array.from(random.fork('rows').permutation(rows.length).subarray(0, count), (at) => rows[at]));
  return examples.filter(({ example }) => drawn.has(example.place.line));
}

/** Examples that are trained on and validated with, for the log. */
export const sizeOf = (trainRows: number | undefined, train: number, val: number): string =>
  `${trainRows === undefined ? train : `${trainRows} rows`} + ${val}`;
