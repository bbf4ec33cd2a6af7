import { DataError } from '@graft/core';
import { formatOf } from '../files/file-bytes';
import type { DataFile } from '../files/find-files';
import type { Split } from '../datasets/hold-out';
import { JsonLines } from './json-lines';
import { ParquetRows } from './parquet-rows';
import type { Rows } from './rows';

export interface RowsWanted {
  /** Keys that will be read. */
  readonly columns: readonly string[];
  readonly split: Split;
  /** The names of the files in the config, for errors. */
  readonly patterns: string | readonly string[];
  /** Accepted formats. Default: both. */
  readonly only?: 'lines' | 'parquet';
}

/** The rows of files: lines of JSON, plain or gzip, or Parquet, detected from the contents. Throws DataError. */
export async function openRows(
  files: readonly DataFile[],
  { columns, split, patterns, only }: RowsWanted,
): Promise<Rows> {
  const isParquet: boolean[] = [];
  for (const { path } of files) isParquet.push((await formatOf(path)) === 'parquet');
  const wrong = only && isParquet.indexOf(only === 'lines');
  if (wrong !== undefined && wrong >= 0) {
    const [holds, use] = only === 'lines' ? ['Parquet', 'parquet'] : ['no Parquet', 'jsonl'];
    throw new DataError(`${files[wrong].path} holds ${holds}.`, {
      code: 'data.format',
      exitCode: 2,
      hint: `Name \`dataset: { use: ${use} }\`.`,
    });
  }
  if (isParquet.every((is) => is)) return ParquetRows.open(files, columns, split, patterns);
  const odd = isParquet.indexOf(!isParquet[0]);
  if (odd < 0) return JsonLines.open(files, split, patterns);
  const [table, lines] = isParquet[0] ? [files[0], files[odd]] : [files[odd], files[0]];
  throw new DataError(`${table.path} holds Parquet, but ${lines.path} does not; a dataset has files of one kind.`, {
    code: 'data.format',
    exitCode: 2,
  });
}
