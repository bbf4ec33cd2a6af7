import { findFiles } from '../files/find-files';
import { formatOf } from '../files/file-bytes';
import { openTable } from '../files/parquet-format/table';
import { JsonLines } from './json-lines';
import { ParquetRows } from './parquet-rows';
import type { Row } from './rows';

/** A row of a file, and where it is. */
export interface PlacedRow {
  readonly row: Row;
  /** For errors: `file:line`, or `file, row n,`. */
  readonly place: string;
}

/**
 * All rows of one file, with all of their keys: lines of JSON, plain or gzip, or Parquet, which the contents decide.
 * For files that fit into memory. Throws DataError for a file that is missing, holds nothing, or cannot be read.
 */
export async function readRows(path: string): Promise<PlacedRow[]> {
  const files = await findFiles(path, [], 'the path');
  const rows =
    (await formatOf(files[0].path)) === 'parquet'
      ? await ParquetRows.open(files, (await openTable(files[0])).names, undefined, path)
      : await JsonLines.open(files, undefined, path);
  const { stretches, length } = rows;
  const read: PlacedRow[] = [];
  for (let at = 0, stretch = 0; at < length; stretch++) {
    const end = stretches ? stretches[stretch].first + stretches[stretch].rows : length;
    if (stretches) await rows.hold?.([stretch]);
    for (; at < end; at++) read.push({ row: await rows.read(at), place: await rows.describe(at) });
  }
  rows.dispose?.();
  return read;
}
