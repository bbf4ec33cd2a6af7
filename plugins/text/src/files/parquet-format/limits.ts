/**
 * Limits on Parquet files, so that a small file needs little memory, and a large one needs memory in proportion to its
 * size. All numbers here are read from the file before anything is unpacked.
 */
import type { ColumnChunk, RowGroup } from 'hyparquet';
import { Damaged, Unsupported } from './problems';

/** Bytes of the table of contents at the end of a file. */
export const LONGEST_FOOTER_BYTES = 2 ** 25;

/** Bytes of an unpacked page. Writers usually cut pages at 1 MiB, and at 100 MB at most. */
export const LONGEST_PAGE_BYTES = 2 ** 28;

/**
 * Unpacked bytes of the columns that are read from one row group: the first, or the second times their size in the
 * file.
 */
const GROUP_BYTES = 2 ** 28;
const GROUP_RATIO = 64;

/** Rows of a row group, which are in memory together: the first, or one for each of this many bytes in the file. */
const GROUP_ROWS = 2 ** 20;
const ROW_BYTES = 4;
const LONGEST_GROUP_ROWS = 2 ** 24;

/** Values of a column in a row group, including those in lists: the first, or the second for each byte in the file. */
const COLUMN_VALUES = 2 ** 23;
const VALUES_PER_BYTE = 8;

type ColumnMetaData = NonNullable<ColumnChunk['meta_data']>;

/** Throws Damaged, Unsupported. `name`: `row group 3`. */
export function checkGroupSize({ num_rows: rows, columns }: RowGroup, name: string): void {
  if (rows === undefined || rows < 0n) throw new Damaged(`${name} has no number of rows`);
  const bytes = columns.reduce((sum, { meta_data: meta }) => sum + Number(meta?.total_compressed_size ?? 0n), 0);
  const longest = Math.min(LONGEST_GROUP_ROWS, Math.max(GROUP_ROWS, Math.floor(bytes / ROW_BYTES)));
  if (rows <= longest) return;
  throw new Unsupported(
    `${name} has ${rows} rows in ${bytes} bytes, which are in memory together: more than ${longest} are not read`,
  );
}

/**
 * Throws Unsupported for a column with more values than a file of its size can have. `where`: `column "a", row group
 * 3`.
 */
export function checkValues(
  { num_values: values, total_compressed_size: packed }: ColumnMetaData,
  where: string,
): void {
  const most = Math.max(COLUMN_VALUES, VALUES_PER_BYTE * Number(packed));
  if (values <= most) return;
  throw new Unsupported(`${where} has ${values} values in ${packed} bytes: more than ${most} are not read`);
}

/** Counts the unpacked bytes of a row group. Throws Unsupported if there are too many. */
export class Unpacked {
  private bytes = 0;

  /** `packed`: bytes of its columns in the file. */
  constructor(
    private readonly name: string,
    private readonly packed: number,
  ) {}

  add(bytes: number): void {
    this.bytes += bytes;
    const most = Math.max(GROUP_BYTES, GROUP_RATIO * this.packed);
    if (this.bytes <= most) return;
    throw new Unsupported(
      `${this.name} unpacks to more than ${most} bytes out of ${this.packed}: files that grow so much are not read`,
    );
  }
}
