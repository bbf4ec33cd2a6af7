import { DataError, type TaskRequest, type TaskSet } from '@graft/core';
import type { z } from 'zod';
import { BenchmarkFiles } from '../../data/benchmark-files';
import { pooled } from '../../data/pooled';

/**
 * The rows of a task of SuperGLUE, from the benchmark's own files: `CB/val.jsonl`, and `CB/train.jsonl` for examples.
 * `rowsOf`: what a row of the file makes, several where it holds several questions.
 */
export function superGlueSets<S extends z.ZodType, Row>(
  task: string,
  name: string,
  { folder, shots }: TaskRequest,
  schema: S,
  rowsOf: (row: z.output<S>, index: number) => readonly Row[],
): Promise<readonly TaskSet<Row>[]> {
  const files = new BenchmarkFiles(folder, {
    task,
    folders: [name, name.toLowerCase(), `superglue/${name}`],
    from: `SuperGLUE's archive (${name})`,
  });
  return pooled(
    shots,
    async (names) => {
      const { rows, file } = await files.rows(names, schema);
      const made = rows.flatMap(rowsOf);
      if (made.length > 0) return { rows: made, file };
      throw new DataError(`${file} has rows without questions.`, { code: 'benchmarks.bad-row', exitCode: 2 });
    },
    ['val', 'validation', 'dev'],
    ['train', 'pool'],
  );
}

/** The classes of yes and no, as files write them. */
export const isTrue = (label: boolean | number | string): boolean => ['true', '1', 'True'].includes(String(label));

/** F1 of one class over pairs of what is predicted and what is right; 0 if the class is in none. */
export function classF1(pairs: readonly (readonly [predicted: string, right: string])[], name: string): number {
  const both = pairs.filter(([predicted, right]) => predicted === name && right === name).length;
  const either = pairs.flat().filter((one) => one === name).length;
  return either === 0 ? 0 : (2 * both) / either;
}
